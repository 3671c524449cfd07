"""What became of the images that a data set opened: crops, flips and resizes are observed while they are made.

Pillow's own methods tell where the pixels of a new image lie in the old one, so nothing is computed twice, and random
numbers stay as they are. Whether a tensor of an item really shows what became of a file is looked at in its pixels.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from guidegan_plugin.utils.loaded import ShownFile, Theta
from guidegan_plugin.utils.replaced import replaced

_WHOLE: Theta = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# Methods whose result shows the same pixels at the same places.
_SAME = ("convert", "copy", "filter", "point", "quantize", "reduce", "remap_palette", "getchannel")
_LOST = ("rotate", "transform", "effect_spread")
_FLIPS = {Image.Transpose.FLIP_LEFT_RIGHT: (-1, 1), Image.Transpose.FLIP_TOP_BOTTOM: (1, -1)}
_FLIPS[Image.Transpose.ROTATE_180] = (-1, -1)

_EXPLAINED = 0.999  # share of a tensor's variance that an image explains which it is made of
_SIDE = 16  # pixels of a side that are compared, about


@dataclass(frozen=True)
class _Origin:
    file: int
    theta: Theta | None  # None where somebody has done what cannot be followed


class Moves:
    """Images that were opened for one item, and what was made of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ReferenceType[Image.Image], _Origin]] = {}
        # Held, since their pixels are compared. Others go when the data set lets go of them, as they would alone.
        self._ends: dict[int, Image.Image] = {}

    def opened(self, image: Any, file: int) -> None:
        """A file was opened as an image; anything but Pillow's is not followed."""
        if isinstance(image, Image.Image):
            self._know(image, _Origin(file, _WHOLE))

    def _know(self, image: Image.Image, origin: _Origin) -> None:
        self._known[id(image)] = weakref.ref(image), origin
        self._ends.pop(id(image), None)  # the newest stand last
        self._ends[id(image)] = image

    def _of(self, image: object) -> _Origin | None:
        known = self._known.get(id(image))
        return known[1] if known is not None and known[0]() is image else None

    def made(self, old: object, new: Any, theta: Theta | None) -> None:
        """A new image was made of an old one; ``theta`` is from its frame to the old one's."""
        origin = self._of(old)
        if origin is not None and isinstance(new, Image.Image) and new is not old:
            self._ends.pop(id(old), None)
            self._know(new, _Origin(origin.file, _after(origin.theta, theta)))

    def pasted(self, image: Image.Image, pasted: Any, box: Any) -> None:
        """An image, or a mask in the box's place, was pasted into another one."""
        whole = box is None or (isinstance(box, (tuple, list)) and tuple(box[:2]) == (0, 0))
        if whole and self._of(image) is None and getattr(pasted, "size", None) == image.size:
            self.made(pasted, image, _WHOLE)

    def blended(self, one: Image.Image, other: Image.Image, new: Image.Image) -> None:
        """A new image was made of two; it counts as made of the one that is followed."""
        self.made(other if self._of(other) is not None else one, new, _WHOLE)

    def ends(self) -> list[tuple[Image.Image, _Origin]]:
        """Images of which no other was made, in the order in which they came about."""
        return [(image, self._known[place][1]) for place, image in self._ends.items()]


@contextmanager
def followed(under_way: Callable[[], Sequence[Moves]]) -> Iterator[None]:
    """While it lasts, what is made of images is observed.

    Args:
        under_way: Who wants to know of it, asked at every call.
    """

    def method(name: str, theta_of: Callable[..., Theta | None]) -> Any:
        def following(own: Callable[..., Any]) -> Callable[..., Any]:
            def call(image: Image.Image, *args: Any, **kwargs: Any) -> Any:
                made = own(image, *args, **kwargs)
                for moves in under_way():
                    moves.made(image, made, theta_of(image, *args, **kwargs))
                return made

            return call

        return replaced(Image.Image, name, following)

    def paste(own: Callable[..., Any]) -> Callable[..., Any]:
        def call(image: Image.Image, pasted: Any, box: Any = None, *args: Any, **kwargs: Any) -> None:
            own(image, pasted, box, *args, **kwargs)
            for moves in under_way():
                moves.pasted(image, pasted, box)

        return call

    def blend(own: Callable[..., Any]) -> Callable[..., Any]:
        def call(one: Image.Image, other: Image.Image, *args: Any, **kwargs: Any) -> Image.Image:
            made: Image.Image = own(one, other, *args, **kwargs)
            for moves in under_way():
                moves.blended(one, other, made)
            return made

        return call

    with ExitStack() as stack:
        for name in _SAME:
            stack.enter_context(method(name, _same))
        for name in _LOST:
            stack.enter_context(method(name, _lost))
        stack.enter_context(method("crop", _crop))
        stack.enter_context(method("resize", _resize))
        stack.enter_context(method("transpose", _transpose))
        stack.enter_context(replaced(Image.Image, "paste", paste))
        stack.enter_context(replaced(Image, "blend", blend))
        yield


def files_shown(images: Sequence[tuple[str, Tensor]], moves: Moves) -> tuple[ShownFile, ...] | None:
    """Which file each of an item's tensors shows; believed only where the tensor's pixels are the image's.

    Args:
        images: Tensors ``(C, H, W)`` by their paths in the item.
        moves: What became of the files it opened.

    Returns:
        One a tensor; None where one of them shows nothing that was followed.
    """
    ends, found = moves.ends(), []
    for path, tensor in images:
        place = next((place for place, (image, _) in enumerate(ends) if is_made_of(tensor, image)), None)
        if place is None or (theta := ends[place][1].theta) is None:
            return None
        found.append(ShownFile(path, ends[place][1].file, theta))
        ends.append(ends.pop(place))  # the next tensor is rather of another image
    return tuple(found)


def is_made_of(tensor: Tensor, image: Image.Image) -> bool:
    """Whether a tensor ``(C, H, W)`` shows an image's pixels at their places, each channel scaled and shifted.

    Some pixels are compared, on a grid. What cannot be compared is not shown: a tensor on another device, for which an
    item would wait, and an image that the data set has closed.
    """
    height, width = tensor.shape[-2:]
    if tensor.device.type != "cpu" or (width, height) != image.size or len(tensor) != len(image.getbands()):
        return False
    x, y = max(1, width // _SIDE), max(1, height // _SIDE)
    columns, rows = width // x, height // y
    # Of each x by y pixels the one in the middle: what Pillow takes, too, without touching the others.
    try:
        some = image.resize((columns, rows), Image.Resampling.NEAREST, (0, 0, columns * x, rows * y))
    except Exception:  # Pillow's, of a kind for each way in which a closed image cannot be read
        return False
    right = np.asarray(some, np.float64).reshape(rows * columns, len(tensor)).T
    left = tensor[:, y // 2 : rows * y : y, x // 2 : columns * x : x].detach().flatten(1).double().numpy()
    left, right = left - left.mean(1, keepdims=True), right - right.mean(1, keepdims=True)
    own, others = (left * left).sum(1), (right * right).sum(1)
    explained = (left * right).sum(1) ** 2 >= _EXPLAINED * own * others
    return bool((explained & ((own > 0) == (others > 0))).all())


def _after(first: Theta | None, then: Theta | None) -> Theta | None:
    """The map of ``then``, after which that of ``first`` is taken."""
    if first is None or then is None:
        return None
    a, b, c, d, e, f = first
    g, h, i, j, k, l = then  # noqa: E741 - rows of a matrix
    return (a * g + b * j, a * h + b * k, a * i + b * l + c, d * g + e * j, d * h + e * k, d * i + e * l + f)


def _box(size: tuple[int, int], box: Sequence[float] | None) -> Theta | None:
    if box is None:
        return _WHOLE
    (width, height), (left, top, right, bottom) = size, box
    if not (width and height and right > left and bottom > top):
        return None
    x, y = (right - left) / width, (bottom - top) / height
    return (x, 0.0, (left + right) / width - 1, 0.0, y, (top + bottom) / height - 1)


def _same(image: Image.Image, *_: Any, **__: Any) -> Theta | None:
    return _WHOLE


def _lost(image: Image.Image, *_: Any, **__: Any) -> Theta | None:
    return None


def _crop(image: Image.Image, box: Any = None) -> Theta | None:
    return _box(image.size, box)


def _resize(
    image: Image.Image, size: Any, resample: Any = None, box: Any = None, reducing_gap: Any = None
) -> Theta | None:
    return _box(image.size, box)


def _transpose(image: Image.Image, method: Any) -> Theta | None:
    flip = _FLIPS.get(method)
    return None if flip is None else (float(flip[0]), 0.0, 0.0, 0.0, float(flip[1]), 0.0)
