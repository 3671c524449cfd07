"""Which classes the discriminator looks at, epoch by epoch (the paper's figure 9).

In one image a class is attended when at least half of its pixels have attention over alpha. Only pixels that the
map's visit showed count: a class that was cropped away was not there to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guidegan_plugin.datasets.palettes import Palette
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.evaluation.figures import draw_bars
from guidegan_plugin.evaluation.label_images import Labels, read_labels
from guidegan_plugin.evaluation.map_sources import SeenMap, in_image
from guidegan_plugin.utils.csv_file import write_csv


@dataclass(frozen=True)
class ClassAttention:
    """How much one class is looked at.

    Attributes:
        name: The class.
        images: How many visits showed it.
        attended: In how many of them it was attended.
        share: The latter over the former, in [0, 1]; None where none showed it.
        intensity: Mean over these visits of the mean attention on its pixels, in [0, 1]; None likewise.
    """

    name: str
    images: int
    attended: int
    share: float | None
    intensity: float | None


def class_attention(
    seen: Iterable[SeenMap], truths: Mapping[str, Path], palette: Palette, alpha: float = 0.5
) -> list[ClassAttention]:
    """Count in how many images each class is attended.

    Args:
        seen: Maps of one epoch.
        truths: Label images by stem, as ids (mode L) or colours; their frame is the whole image.
        palette: What they mean.
        alpha: A pixel is attended over it, in [0, 1).

    Returns:
        A row a class.

    Raises:
        ConfigError: If ``alpha`` is out of range.
        DataError: If a map has no label image, or one is not readable.
    """
    if not 0 <= alpha < 1:
        raise ConfigError(f"alpha: expected 0 or more and less than 1, found {alpha}; change --alpha")
    count = len(palette.classes)
    images, attended, intensity = np.zeros(count, dtype=int), np.zeros(count, dtype=int), np.zeros(count)
    for one in seen:
        if one.stem not in truths:
            raise DataError(f"the map of {one.stem} has no label image; change --truth, --suffix or --truth-suffix")
        labels, attention = _shown(one, read_labels(truths[one.stem], palette))
        pixels = np.bincount(labels, minlength=count + 1)[:count]
        over = np.bincount(labels[attention > alpha], minlength=count + 1)[:count]
        total = np.bincount(labels, weights=attention, minlength=count + 1)[:count]
        images += pixels > 0
        attended += (pixels > 0) & (2 * over >= pixels)
        intensity += total / np.maximum(pixels, 1)
    rows = zip(palette.names, images.tolist(), attended.tolist(), intensity.tolist(), strict=True)
    return [
        ClassAttention(name, shown, looked, looked / shown if shown else None, total / shown if shown else None)
        for name, shown, looked, total in rows
    ]


def _shown(one: SeenMap, labels: Labels) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Labels of the pixels a visit showed, and the attention on them, both ``(P,)``."""
    attention, shown = in_image(one, (labels.shape[0], labels.shape[1]))
    return labels[shown.numpy()], attention[shown].numpy()


def write_class_attention(found: Mapping[str, list[ClassAttention]], out: Path) -> None:
    """Write ``class_attention.csv`` and ``class_attention.png`` into a folder.

    Args:
        found: Rows by epoch; the same classes in each.
        out: The folder.

    Raises:
        ConfigError: If they cannot be written, or matplotlib is not installed.
    """
    rows = [
        (epoch, row.name, row.images, row.attended, row.share, row.intensity) for epoch in found for row in found[epoch]
    ]
    write_csv(
        out / "class_attention.csv", ("epoch", "class", "images", "attended", "attended_share", "intensity"), rows
    )
    names = [row.name for row in next(iter(found.values()))]
    panels = {
        "share of images it is attended in": {epoch: [row.share for row in found[epoch]] for epoch in found},
        "mean attention": {epoch: [row.intensity for row in found[epoch]] for epoch in found},
    }
    draw_bars(names, panels, out / "class_attention.png")
