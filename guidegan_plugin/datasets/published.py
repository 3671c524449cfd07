"""Checks of data sets that are downloaded ready: layout, counts, and whether every image opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from guidegan_plugin.datasets.folders import images_in
from guidegan_plugin.datasets.parallel import in_parallel
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.images import open_image
from guidegan_plugin.utils.progress import progress

FOLDERS = ("trainA", "trainB", "testA", "testB")

# How many images trainA, trainB, testA and testB hold; summer2winter is summer2winter_yosemite.
COUNTS: Mapping[str, tuple[int, int, int, int]] = MappingProxyType(
    {
        "apple2orange": (995, 1019, 266, 248),
        "horse2zebra": (1067, 1334, 120, 140),
        "summer2winter": (1231, 962, 309, 238),
    }
)

_IMAGES_PER_WORKER = 500


@dataclass(frozen=True)
class FolderCheck:
    """What was found in a folder.

    Attributes:
        folder: Its name.
        published: How many images the published data set has there; None where that is not known.
        found: How many there are; None where the folder is missing.
        modes: How many images of each of Pillow's modes.
        unreadable: One line for each image that does not open.
    """

    folder: str
    published: int | None
    found: int | None
    modes: Mapping[str, int]
    unreadable: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """What is wrong with the folder, in a few words."""
        if self.found is None:
            return f"{self.folder} is missing"
        if self.published not in (None, self.found):
            return f"{self.folder} has {self.found} images, published are {self.published}"
        if self.found == 0:
            return f"{self.folder} is empty"
        return f"{len(self.unreadable)} of {self.folder} cannot be read" if self.unreadable else None


def check_dataset(root: Path, dataset: str | None = None, *, workers: int | None = None) -> tuple[FolderCheck, ...]:
    """Look at an unpaired data set: are its four folders there, complete, and does every image open?

    Args:
        root: The folder with `trainA`, `trainB`, `testA` and `testB`.
        dataset: Whose published counts to compare with; None compares with none.
        workers: Processes; 1 works in this one, None takes one a CPU, and fewer for few images.

    Returns:
        What was found in each folder.

    Raises:
        ConfigError: `dataset` is unknown.
        DataError: `root` is no folder.
    """
    if dataset is not None and dataset not in COUNTS:
        raise ConfigError(f"dataset: expected one of {', '.join(COUNTS)}, found {dataset!r}; change --dataset")
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; change DIR")
    published = COUNTS[dataset] if dataset else (None,) * len(FOLDERS)
    images = {folder: images_in(root / folder) for folder in FOLDERS if (root / folder).is_dir()}
    paths = [path for folder in images.values() for path in folder]
    with closing(in_parallel(look, paths, workers, _IMAGES_PER_WORKER)) as looks:
        seen = dict(zip(paths, progress(looks, "Checking", total=len(paths)), strict=True))
    return tuple(
        _summary(folder, number, [seen[path] for path in images[folder]] if folder in images else None)
        for folder, number in zip(FOLDERS, published, strict=True)
    )


def look(path: Path) -> tuple[str, str]:
    """Open an image.

    Returns:
        Its mode and nothing, or nothing and what is wrong with it.
    """
    try:
        return open_image(path).mode, ""
    except DataError as error:
        return "", " ".join(str(error).split())


def _summary(folder: str, published: int | None, looks: list[tuple[str, str]] | None) -> FolderCheck:
    modes = Counter(mode for mode, _ in looks or [] if mode)
    unreadable = tuple(wrong for _, wrong in looks or [] if wrong)
    return FolderCheck(folder, published, None if looks is None else len(looks), dict(modes), unreadable)
