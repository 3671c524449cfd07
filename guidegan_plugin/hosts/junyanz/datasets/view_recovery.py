"""The view of a visit: observed while the host makes it, or recovered by replaying its transform on coordinates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from guidegan_plugin.datasets.recording import Recording
from guidegan_plugin.utils.random_states import random_state, rewound
from guidegan_plugin.utils.replaced import replaced

Transform = Callable[[Image.Image], Tensor]

# An affine map explains a replayed ramp to about half a gray level; colour jitter or a warp would not.
_TOLERANCE = 0.02


class ObservedTransform:
    """A transform that can also tell the crop and flip of its last call; it draws exactly what it would alone.

    Args:
        transform: The host's: PIL image to ``(C, H, W)`` in [-1, 1].
    """

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._last: tuple[tuple[int, int], tuple[Any, ...]] | None = None

    def __call__(self, image: Image.Image) -> Tensor:
        self._last = image.size, random_state()
        return self._transform(image)

    def theta(self) -> Tensor:
        """The view of the last call, ``(2, 3)``, by a replay; NaN where nobody knows."""
        if self._last is None:
            return unknown()
        size, state = self._last
        return known_or_nan(lambda: observe(self._transform, size, state))


class Views:
    """The views of a data set's items, from its transforms; the data set keeps them, or makes them for each item.

    Args:
        dataset: The data set, made.
        host: The host's class of the data set, in whose module it may look for ``get_transform``.
        attributes: Where the data set keeps its transform, by domain.
    """

    def __init__(self, dataset: object, host: type, attributes: Mapping[str, str]) -> None:
        self._module = host.__module__
        self._kept: dict[str, ObservedTransform | None] = {}
        self._made: list[tuple[Tensor, ObservedTransform]] = []  # by the transforms of one item
        self._recording = Recording()
        for domain, name in attributes.items():
            self._kept[domain] = ObservedTransform(getattr(dataset, name)) if hasattr(dataset, name) else None
            if self._kept[domain] is not None:
                setattr(dataset, name, self._kept[domain])

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it the host makes one item; a transform that it makes for the item is watched, as CUT's is."""
        module, name = sys.modules[self._module], "get_transform"
        original = vars(module).get(name)
        self._recording = Recording()
        if original is None or all(self._kept.values()):
            with self._recording.lasting():
                yield
            return

        def get_transform(*args: Any, **kwargs: Any) -> Transform:
            observed = ObservedTransform(original(*args, **kwargs))

            def transform(image: Image.Image) -> Tensor:
                output = observed(image)
                self._made.append((output, observed))
                return output

            return transform

        with replaced(module, name, lambda _: get_transform), self._recording.lasting():
            yield

    def of(self, item: Mapping[str, Any]) -> dict[str, Tensor]:
        """The views of an item that was just made, ``<domain>_guide_view``, ``(2, 3)``; NaN where nobody knows."""
        made, self._made = self._made, []
        observed, self._recording = self._recording.views(item, self._kept), Recording()
        found = {}
        for domain, kept in self._kept.items():
            if (theta := observed.get(domain)) is None:
                own = (transform for output, transform in made if output is item.get(domain))
                replayed = next(own, None) if kept is None else kept
                theta = unknown() if replayed is None else replayed.theta()
            found[f"{domain}_guide_view"] = theta
        return found


def unknown() -> Tensor:
    """The view of an image that nobody knows the crop and flip of."""
    return torch.full((2, 3), float("nan"), device="cpu")


def known_or_nan(recover: Callable[[], Tensor]) -> Tensor:
    """A view, or one that is not known where a fork's loader or transform works on other than 8-bit RGB images."""
    try:
        return recover()
    except Exception:  # of the host's code, given an image of coordinates in place of its own
        return unknown()


def observe(transform: Transform, size: tuple[int, int], state: tuple[Any, ...]) -> Tensor:
    """Where a transform takes its pixels from.

    Args:
        transform: PIL image to ``(C, H, W)`` in [-1, 1].
        size: Width and height of the image it was called with.
        state: Random state it was called in; the present state is kept.

    Returns:
        ``(2, 3)``, float32: ``affine_grid``'s matrix from the output's frame to the image's, accurate to a few
        hundredths of a pixel; NaN where the transform is not affine.
    """
    x, y = ramps(size)
    with rewound(state):
        output = transform(Image.merge("RGB", (x, y, y)))
    if len(output) == 1:  # a grayscale transform mixes the channels, so each coordinate needs an image of its own
        with rewound(state):
            output = transform(Image.merge("RGB", (x, x, x)))
        with rewound(state):
            output = torch.cat([output, transform(Image.merge("RGB", (y, y, y)))])
    return fit_affine(output[:2])


def ramps(size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Images (mode L) whose gray level is a pixel's x and y coordinate."""
    width, height = size
    x = np.tile(255 * (np.arange(width) + 0.5) / width, (height, 1))
    y = np.tile(255 * (np.arange(height)[:, None] + 0.5) / height, (1, width))
    return Image.fromarray(x.round().astype(np.uint8)), Image.fromarray(y.round().astype(np.uint8))


def fit_affine(coordinates: Tensor) -> Tensor:
    """The affine map that explains an image of coordinates best (least squares).

    Args:
        coordinates: ``(2, H, W)``, x and y in [-1, 1] that each pixel came from.

    Returns:
        ``(2, 3)``, float32; NaN where no affine map explains it.
    """
    _, height, width = coordinates.shape
    u = (2 * torch.arange(width, device="cpu") + 1) / width - 1
    v = ((2 * torch.arange(height, device="cpu") + 1) / height - 1)[:, None]
    offset = coordinates.mean((1, 2))
    # Pixel centres are symmetric about zero, so the three unknowns separate; one pixel alone has no slope.
    slope_u = (coordinates * u).mean((1, 2)) / (u * u).mean().clamp(min=1e-12)
    slope_v = (coordinates * v).mean((1, 2)) / (v * v).mean().clamp(min=1e-12)
    explained = slope_u[:, None, None] * u + slope_v[:, None, None] * v + offset[:, None, None]
    theta = torch.stack([slope_u, slope_v, offset], dim=1)
    return theta if (coordinates - explained).abs().mean() < _TOLERANCE else unknown()
