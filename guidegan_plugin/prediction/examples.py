"""What a predictor learns from: images as a visit showed them, and the maps that were remembered of these visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from guidegan_plugin.guidance.memory.state_dict import Entry
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.utils.images import open_image
from guidegan_plugin.utils.progress import progress

Shape = tuple[int, int]

_FINER = 2  # a visit's crop is cut out so much finer than it is looked at, then averaged
_LARGEST = 4096  # pixels along a side that an image is brought to for that, at most


@dataclass(frozen=True, eq=False)
class Group:
    """Examples whose maps have one shape.

    Attributes:
        images: ``(n, C, H, W)``, uint8, as :meth:`MapPredictor.look` would show the visit.
        maps: ``(n, 1, h, w)``, float32 in [0, 1].
    """

    images: Tensor
    maps: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Found:
    """An image that is remembered and whose file is there.

    Attributes:
        entry: What is remembered.
        file: Its file.
        half: Which half of the file is the image: 0 left, 1 right; None: the whole.
    """

    entry: Entry
    file: Path
    half: int | None


def read_examples(found: Sequence[Found], predictor: MapPredictor) -> list[Group]:
    """Read the images, and cut out of each what its visit showed.

    Args:
        found: The images.
        predictor: Says in how many pixels, and channels, an image is looked at.

    Raises:
        DataError: If a file is no readable image.
    """
    groups: dict[Shape, list[tuple[Tensor, Tensor]]] = {}
    for one in progress(found, "reading images"):
        height, width = one.entry.map.shape[-2:]
        size = height * predictor.pixels, width * predictor.pixels
        image = _open(one, "L" if predictor.channels == 1 else "RGB")
        groups.setdefault((height, width), []).append((as_visited(image, one.entry.view, size), one.entry.map))
    return [Group(*map(torch.stack, zip(*examples, strict=True))) for examples in groups.values()]


def _open(found: Found, mode: str) -> Image.Image:
    image = open_image(found.file, "--data")
    if found.half is not None:
        middle = image.width // 2
        image = image.crop((0, 0, middle, image.height) if found.half == 0 else (middle, 0, 2 * middle, image.height))
    return image.convert(mode)


def as_visited(image: Image.Image, view: View | None, size: Shape) -> Tensor:
    """What a visit showed of an image, at another size than the visit's.

    Args:
        image: The whole image.
        view: Crop and flip of the visit, None for the whole image.
        size: Height and width wanted.

    Returns:
        ``(C, *size)``, uint8.
    """
    theta = (view or View.identity()).theta
    share_x, share_y = theta[0, :, :2].abs().sum(1).clamp(min=1e-6).tolist()
    wide, high = (_FINER * side / share for side, share in zip(size[::-1], (share_x, share_y), strict=True))
    smaller = min(round(wide), image.width, _LARGEST), min(round(high), image.height, _LARGEST)
    if smaller != image.size:
        image = image.resize((max(smaller[0], 1), max(smaller[1], 1)), Image.Resampling.BILINEAR)
    pixels = pil_to_tensor(image)[None].float()
    grid = F.affine_grid(theta, [1, 1, _FINER * size[0], _FINER * size[1]], align_corners=False)
    crop = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(crop, _FINER)[0].round().clamp(0, 255).to(torch.uint8)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """How well maps agree.

    Args:
        one: ``(n, 1, h, w)``, floating point.
        other: Likewise.

    Returns:
        ``(n,)``, Pearson's correlation over the cells of each map; NaN where one of the two is constant.
    """
    first, second = (maps.flatten(1).double() for maps in (one, other))
    first, second = (cells - cells.mean(1, keepdim=True) for cells in (first, second))
    scale = first.square().sum(1).sqrt() * second.square().sum(1).sqrt()
    return torch.where(scale > 1e-9, (first * second).sum(1) / scale, torch.nan)


def mean_seen_under(mean: Tensor, entries: Sequence[Entry]) -> list[Tensor]:
    """A mean map ``(1, h, w)`` of whole images as each visit would have shown it, at the size of the visit's map."""
    seen = []
    for entry in entries:
        theta = (entry.view or View.identity()).theta
        grid = F.affine_grid(theta, [1, *entry.map.shape], align_corners=False)
        seen.append(F.grid_sample(mean[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0])
    return seen


def mean_of(values: Sequence[Tensor]) -> float:
    """The mean of correlations ``(n,)``, without those that are not defined (NaN); 0 where none is."""
    every = torch.cat([*values])
    known = every[~every.isnan()]
    return float(known.mean()) if len(known) else 0.0
