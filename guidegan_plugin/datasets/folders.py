"""Where images lie and where they go."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from guidegan_plugin.errors import DataError, GuideError
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.images import list_images

_log = logging.getLogger(__name__)


def images_in(folder: Path, *, deep: bool = False) -> list[Path]:
    """List the images of a folder by name.

    Args:
        folder: Where they lie.
        deep: Whether its subfolders are read, too.

    Raises:
        DataError: There is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"no images at {folder}: there is no such folder; change the folder that is read")
    try:
        return list_images(folder, deep=deep)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); change the folder that is read") from error


def by_stem(folder: Path, *, deep: bool = False) -> dict[str, Path]:
    """List the images of a folder by their names without suffix, with `/`.

    Args:
        folder: Where they lie.
        deep: Whether its subfolders are read, too.

    Raises:
        DataError: As there; or two images have one name but for the suffix.
    """
    found: dict[str, Path] = {}
    for image in images_in(folder, deep=deep):
        former = found.setdefault(image.relative_to(folder).with_suffix("").as_posix(), image)
        if former is not image:
            raise DataError(f"{former} and {image} have one name but for the suffix; rename one of them")
    return found


def warn_of_same(a: Path, b: Path) -> None:
    """Say where one folder is both A and B."""
    if a.resolve() == b.resolve():
        _log.warning("A and B are one folder, %s; is one of A_DIR and B_DIR meant to be another?", a)


@contextlib.contextmanager
def writing(root: Path) -> Iterator[Path]:
    """Write a data set: never over something, and what cannot be written is said in one line.

    Args:
        root: A folder that is empty, or does not exist.

    Yields:
        The same, absolute.

    Raises:
        GuideError: `root` is a file, or a folder that is not empty; or instead of any OSError.
    """
    with os_errors_as(GuideError, f"{root} cannot be written", "choose another folder (OUT)"):
        root = root.resolve()
        if root.exists() and not root.is_dir():
            raise GuideError(f"{root} is a file, a data set needs a folder; choose another folder (OUT)")
        if root.is_dir() and any(root.iterdir()):
            raise GuideError(f"{root} is not empty; choose another folder (OUT), or empty it")
        yield root
