"""CamVid with 11 classes and void: photos and label files of class ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from guidegan_plugin.datasets.folders import by_stem
from guidegan_plugin.datasets.labelled import Style, job
from guidegan_plugin.datasets.palettes import CAMVID
from guidegan_plugin.datasets.preparation import Job, Plan
from guidegan_plugin.errors import DataError

SPLITS = ("train", "val", "test")
PUBLISHED = {"train": 367, "val": 101, "test": 233}


def plan_camvid(root: Path, *, style: Style | None = None) -> Plan:
    """Plan CamVid; its label files are painted in SegNet's colours, and class ids are kept under `labels`.

    Args:
        root: The folder with `train` and `trainannot` (as SegNet's), or with `train/photo` and `train/label`; the
            same for `val` and `test`, as far as they are there.
        style: How photos and labels are written; its `classes` are set here.

    Raises:
        DataError: `train` is missing, or an image has no counterpart or is there twice.
    """
    style = replace(style or Style(), classes=CAMVID.entries, rest=None)
    jobs = [entry for split in SPLITS for entry in _split(root, split, style)]
    return Plan("camvid", style.options(), tuple(jobs))


def _split(root: Path, split: str, style: Style) -> list[Job]:
    layouts = (root / split, root / f"{split}annot"), (root / split / "photo", root / split / "label")
    folders = next((layout for layout in layouts if layout[0].is_dir() and layout[1].is_dir()), None)
    if folders is None:
        if split != "train":
            return []
        raise DataError(
            f"{root} has neither train and trainannot nor train/photo and train/label; change the folder that is read"
        )
    photos, labels = (by_stem(folder) for folder in folders)
    if alone := sorted(photos.keys() ^ labels.keys()):
        raise DataError(f"{folders[0]} and {folders[1]} differ by {len(alone)} images, as {alone[0]}")
    return [job(photos[stem], labels[stem], split, stem, style) for stem in sorted(photos)]
