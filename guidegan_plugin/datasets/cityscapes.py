"""Cityscapes: labels to photos and back, from `leftImg8bit` and `gtFine` as they are downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from guidegan_plugin.datasets.labelled import Style, job
from guidegan_plugin.datasets.palettes import CITYSCAPES
from guidegan_plugin.datasets.preparation import Plan
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.images import list_images

LABELS = ("color", "ids")
PUBLISHED = {"train": 2975, "test": 500}

_PHOTO, _LABEL = "_leftImg8bit.png", {"color": "_gtFine_color.png", "ids": "_gtFine_labelIds.png"}


def plan_cityscapes(root: Path, *, labels: str = "color", style: Style | None = None) -> Plan:
    """Plan Cityscapes' training photos as `train` and its validation photos, the ones with public labels, as `test`.

    Args:
        root: The folder with `leftImg8bit` and `gtFine`.
        labels: `color`: the label pictures of Cityscapes, all its colours, as the host family has them; `ids`: its
            `labelIds` painted with the 19 scored classes, everything else black, and class ids under `labels`.
        style: How photos and labels are written; its `classes` are set here.

    Raises:
        ConfigError: An option is out of range.
        DataError: A folder is missing, or photos have no label.
    """
    if labels not in LABELS:
        raise ConfigError(f"labels: expected {' or '.join(LABELS)}, found {labels!r}; change --labels")
    style = style or Style()
    if labels == "ids":
        style = replace(style, classes=CITYSCAPES.classes, rest=(0, 0, 0))
    jobs = []
    for split, phase in (("train", "train"), ("val", "test")):
        for photo in _photos(root, split):
            stem = photo.name.removesuffix(_PHOTO)
            label = root / "gtFine" / split / photo.parent.name / f"{stem}{_LABEL[labels]}"
            jobs.append(job(photo, label, phase, stem, style))
    missing = [entry.sources[1] for entry in jobs if not entry.sources[1].is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(jobs)} photos have no label, as {missing[0]}; unpack gtFine_trainvaltest.zip "
            f"beside leftImg8bit, or change --labels"
        )
    return Plan("cityscapes", {"labels": labels, **style.options()}, tuple(jobs))


def _photos(root: Path, split: str) -> list[Path]:
    folder = root / "leftImg8bit" / split
    found = list_images(folder, deep=True) if folder.is_dir() else []
    photos = [path for path in found if path.name.endswith(_PHOTO) and path.parent.parent == folder]
    if not photos:
        raise DataError(f"no photos as {folder}/<city>/*{_PHOTO}; unpack leftImg8bit_trainvaltest.zip there")
    return photos
