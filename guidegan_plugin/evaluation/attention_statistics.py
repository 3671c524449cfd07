"""How well attention maps find regions that are known.

Four measures, each in [0, 1], each scored per image and averaged over images:

- pointing game: does the map's maximum lie inside the region?
- energy: which share of the map's sum lies inside the region?
- AUC: how likely is a pixel inside the region brighter than one outside? (1/2 by chance)
- IoU: how well does the map, at the best threshold for all images, coincide with the region (region_iou.py)?

A constant map says nothing and is scored as what it is, a guess: pointing game, energy and IoU are the region's share
of the area, AUC is 1/2. All measures are to be read beside that share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guidegan_plugin.errors import DataError, GuideError
from guidegan_plugin.evaluation.region_iou import best_iou, iou_by_threshold
from guidegan_plugin.utils.images import OPAQUE, list_images, open_image
from guidegan_plugin.utils.progress import progress

Map = npt.NDArray[np.floating]
Region = npt.NDArray[np.bool_]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AttentionQuality:
    """How well the maps of a folder find the regions of another.

    Attributes:
        images: how many maps were scored.
        pointing_game: mean share of a map's maxima that lie inside the region, in [0, 1].
        energy: mean share of a map's sum inside the region, in [0, 1].
        auc: mean area under the ROC curve, in [0, 1].
        region_share: mean share of the area that the region takes, in (0, 1): what a constant map scores in
            the pointing game, in energy and in IoU.
        iou: mean intersection over union with the region at the best threshold, in [0, 1].
        threshold: that threshold, in [0, 1].
    """

    images: int
    pointing_game: float
    energy: float
    auc: float
    region_share: float
    iou: float
    threshold: float


def pointing_game(maps: Map, regions: Region) -> float:
    """Count how often a map's maximum lies inside the region.

    Where several pixels share the maximum, the image counts as the share of them that lie inside.

    Args:
        maps: attention maps, (N, h, w), floating; another size than the regions' is resized bilinearly.
        regions: true inside, (N, H, W), bool; none empty.

    Returns:
        The mean over images, in [0, 1].

    Raises:
        GuideError: shapes or types do not fit, a map is not finite, or a region is empty.
    """
    return _mean(_pointing, maps, regions)


def energy_in_region(maps: Map, regions: Region) -> float:
    """Measure which share of a map's sum lies inside the region; a map of zeros counts as a constant one.

    Args:
        maps: attention maps, (N, h, w), floating, not negative; resized bilinearly to the regions' size.
        regions: true inside, (N, H, W), bool; none empty.

    Returns:
        The mean over images, in [0, 1].

    Raises:
        GuideError: shapes or types do not fit, a map is not finite or is negative, or a region is empty.
    """
    if maps.size and maps.min() < 0:
        raise GuideError(f"`maps` expected to be at least 0 for a share of their sum, got {maps.min():.3g}")
    return _mean(_energy, maps, regions)


def region_auc(maps: Map, regions: Region) -> float:
    """Measure how well a map's values tell the region's pixels from the others.

    Per image, with R the sum of the inside pixels' ranks among all pixels (ties share their mean rank), n inside and
    m outside pixels: AUC = (R - n (n + 1) / 2) / (n m).

    Args:
        maps: attention maps, (N, h, w), floating; resized bilinearly to the regions' size.
        regions: true inside, (N, H, W), bool; none empty, none covering the whole image.

    Returns:
        The mean over images, in [0, 1].

    Raises:
        GuideError: shapes or types do not fit, a map is not finite, or a region is empty or the whole image.
    """
    for index, region in enumerate(regions):
        if region.all():
            raise GuideError(f"`regions[{index}]` is the whole image: no pixel to tell it from; leave that image out")
    return _mean(_auc, maps, regions)


def attention_quality(maps_dir: Path, regions_dir: Path, suffix: str = "_attention_A") -> AttentionQuality:
    """Score the attention maps among a host's results.

    A region without a map is passed over, as hosts test on fewer images than there are. So is, with a warning, an
    image whose region is empty or the whole image: no map could be better than another there.

    Args:
        maps_dir: folder of `<stem><suffix>.png`, gray (8 bits, mode L or RGB); other files are ignored.
        regions_dir: folder of `<stem>.png`, zero outside of the region and anything else inside.
        suffix: what a map's file name has after the image's.

    Returns:
        The measures over all maps.

    Raises:
        DataError: a folder holds no map, a map has no region, a file is no readable image or a map is not gray.
    """
    scores, curves = [], []
    pairs = _matched(maps_dir, regions_dir, suffix)
    for map_path, region_path in progress(pairs, "maps"):
        values, region = _read_map(map_path), _read_region(region_path)
        if region.all() or not region.any():
            _log.warning("%s is empty or the whole image; its map is left out", region_path)
            continue
        values = resize(values, region.shape)
        scores.append((_pointing(values, region), _energy(values, region), _auc(values, region), region.mean()))
        curves.append(iou_by_threshold(values, region))
    if not scores:
        raise DataError(f"every region in {regions_dir} is empty or the whole image; change `regions_dir` (--regions)")
    pointing, energy, auc, share = np.mean(scores, axis=0).tolist()
    return AttentionQuality(len(scores), pointing, energy, auc, share, *best_iou(np.stack(curves)))


def resize(values: Map, shape: tuple[int, ...]) -> Map:
    """Resize a map bilinearly, pixel areas aligned (torch's `align_corners=False`), without antialiasing.

    Args:
        values: the map, (h, w), floating.
        shape: height and width to resize to.

    Returns:
        The map, (H, W), float64. Equal neighbours stay exactly equal, so that ties remain ties.
    """
    for axis, length in enumerate(shape):
        found = values.shape[axis]
        if found == length:
            continue
        place = np.clip((np.arange(length) + 0.5) * found / length - 0.5, 0, found - 1)
        low = np.floor(place).astype(np.intp)
        weight = (place - low)[:, None] if axis == 0 else place - low
        first = np.take(values, low, axis=axis).astype(np.float64)
        # first + weight * (second - first), because (1 - weight) * c + weight * c is not always c.
        values = first + weight * (np.take(values, np.minimum(low + 1, found - 1), axis=axis) - first)
    return values.astype(np.float64)


def _pointing(values: Map, region: Region) -> float:
    return float(region[values == values.max()].mean())


def _energy(values: Map, region: Region) -> float:
    total = values.sum()
    return float(values[region].sum() / total) if total > 0 else float(region.mean())


def _auc(values: Map, region: Region) -> float:
    _, place, number = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    ranks = np.cumsum(number) - (number - 1) / 2
    inside, outside = np.count_nonzero(region), np.count_nonzero(~region)
    above = ranks[place.reshape(-1)][region.ravel()].sum() - inside * (inside + 1) / 2
    return float(above / (inside * outside))


def _mean(score: Callable[[Map, Region], float], maps: Map, regions: Region) -> float:
    if maps.ndim != 3 or regions.ndim != 3 or len(maps) != len(regions) or not len(maps):
        raise GuideError(
            f"`maps` and `regions` expected to be (N, h, w) and (N, H, W) with one N of at least 1, "
            f"got {maps.shape} and {regions.shape}"
        )
    if not np.issubdtype(maps.dtype, np.floating) or regions.dtype != np.bool_:
        raise GuideError(f"`maps` and `regions` expected to be floating and bool, got {maps.dtype} and {regions.dtype}")
    for index, (values, region) in enumerate(zip(maps, regions, strict=True)):
        if not np.isfinite(values).all():
            raise GuideError(f"`maps[{index}]` holds values that are not finite")
        if not region.any():
            raise GuideError(f"`regions[{index}]` is empty: nothing to find; leave that image out")
    return float(np.mean([score(resize(v, r.shape), r) for v, r in zip(maps, regions, strict=True)]))


def _matched(maps_dir: Path, regions_dir: Path, suffix: str) -> list[tuple[Path, Path]]:
    for folder, name in ((maps_dir, "maps"), (regions_dir, "regions")):
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; change `{name}_dir` (--{name})")
    ending = f"{suffix}.png"
    paths = [path for path in list_images(maps_dir) if path.name.endswith(ending)]
    if not paths:
        raise DataError(f"{maps_dir} holds no file *{ending}; change `maps_dir` (--maps) or `suffix` (--suffix)")
    pairs = [(path, regions_dir / f"{path.name.removesuffix(ending)}.png") for path in paths]
    missing = [region for _, region in pairs if not region.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(pairs)} maps in {maps_dir} have no region, the first {missing[0]}; "
            "change `regions_dir` (--regions) or `suffix` (--suffix)"
        )
    return pairs


def _read_map(path: Path) -> Map:
    pixels = _read(path, "maps")
    if (pixels != pixels[..., :1]).any():
        raise DataError(f"{path} is in colour, a map is gray; change `maps_dir` (--maps) or `suffix` (--suffix)")
    return pixels[..., 0] / 255


def _read_region(path: Path) -> Region:
    inside: Region = _read(path, "regions").max(axis=-1) > 0  # as gray, faint colours would be zero
    return inside


def _read(path: Path, name: str) -> npt.NDArray[np.uint8]:
    return np.asarray(open_image(path, f"`{name}_dir` (--{name})", OPAQUE).convert("RGB"))
