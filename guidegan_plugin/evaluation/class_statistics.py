"""Which classes a data set shows: in how many images, and in how many pixels (the paper's figures 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from guidegan_plugin.datasets.palettes import Palette
from guidegan_plugin.evaluation.figures import draw_bars
from guidegan_plugin.evaluation.label_images import read_labels
from guidegan_plugin.evaluation.stems import images_by_stem
from guidegan_plugin.utils.csv_file import write_csv
from guidegan_plugin.utils.progress import progress


@dataclass(frozen=True)
class ClassFrequency:
    """How often one class is seen.

    Attributes:
        name: The class.
        images: How many images show it.
        presence: Share of the images that show it, in [0, 1].
        frequency: Mean share of an image's pixels it takes, over all images and all their pixels, in [0, 1].
    """

    name: str
    images: int
    presence: float
    frequency: float


def class_frequencies(truth: Path, palette: Palette, suffix: str = "") -> tuple[int, list[ClassFrequency]]:
    """Count the classes of a folder of label images.

    Args:
        truth: Label images, as ids (mode L) or colours.
        palette: What they mean.
        suffix: What their names end with, such as ``"_gtFine_labelIds"``; others are passed over.

    Returns:
        How many images there are, and each class's frequency.

    Raises:
        DataError: If there is no image, or one is not readable, or of an id or colour nobody knows.
    """
    paths = images_by_stem(truth, "--truth", suffix)
    count = len(palette.classes)
    images, shares = np.zeros(count, dtype=np.int64), np.zeros(count)
    for path in progress(paths.values(), "classes"):
        labels = read_labels(path, palette)
        pixels = np.bincount(labels.ravel(), minlength=count + 1)[:count]
        images += pixels > 0
        shares += pixels / labels.size
    rows = zip(palette.names, images.tolist(), (shares / len(paths)).tolist(), strict=True)
    return len(paths), [ClassFrequency(name, shown, shown / len(paths), share) for name, shown, share in rows]


def write_frequencies(found: list[ClassFrequency], out: Path) -> None:
    """Write ``classes.csv`` and ``classes.png`` into a folder.

    Raises:
        ConfigError: If they cannot be written, or matplotlib is not installed.
    """
    header = ("class", "images", "presence", "pixel_frequency")
    write_csv(out / "classes.csv", header, [(row.name, row.images, row.presence, row.frequency) for row in found])
    panels = {
        "share of images that show it": {"": [row.presence for row in found]},
        "mean share of pixels": {"": [row.frequency for row in found]},
    }
    draw_bars([row.name for row in found], panels, out / "classes.png")
