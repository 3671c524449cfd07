"""Where images lie and where they go."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from guidegan_plugin.errors import DataError, GuideError
from guidegan_plugin.utils.images import IMAGE_SUFFIXES

_log = logging.getLogger(__name__)


def images_in(folder: Path, pattern: str = "*") -> list[Path]:
    """List the images of a folder by name.

    Args:
        folder: Where they lie.
        pattern: `*` for the folder alone, `**/*` with its subfolders.

    Raises:
        DataError: There is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"no images at {folder}: there is no such folder; change the folder that is read")
    try:
        return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); change the folder that is read") from error


def by_stem(folder: Path, pattern: str) -> dict[str, Path]:
    """List the images of a folder by their names without suffix, with `/`.

    Args:
        folder: Where they lie.
        pattern: As for :func:`images_in`.

    Raises:
        DataError: As there; or two images have one name but for the suffix.
    """
    found: dict[str, Path] = {}
    for image in images_in(folder, pattern):
        former = found.setdefault(image.relative_to(folder).with_suffix("").as_posix(), image)
        if former is not image:
            raise DataError(f"{former} and {image} have one name but for the suffix; rename one of them")
    return found


def warn_of_same(a: Path, b: Path) -> None:
    """Say where one folder is both A and B."""
    if a.resolve() == b.resolve():
        _log.warning("A and B are one folder, %s; is one of A_DIR and B_DIR meant to be another?", a)


def refuse_taken(root: Path) -> None:
    """Refuse to write a data set over something.

    Args:
        root: A folder that is empty, or does not exist.

    Raises:
        GuideError: `root` is a file, or a folder that is not empty.
    """
    if root.exists() and not root.is_dir():
        raise GuideError(f"{root} is a file, a data set needs a folder; choose another folder (OUT)")
    if root.is_dir() and any(root.iterdir()):
        raise GuideError(f"{root} is not empty; choose another folder (OUT), or empty it")


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Say in one line that a data set cannot be written.

    Args:
        root: The data set's folder, for the message.

    Raises:
        GuideError: Instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise GuideError(
            f"{root} cannot be written ({error.strerror or error}{where}); choose another folder (OUT)"
        ) from error


def put_in_place(folder: Path, root: Path) -> None:
    """Rename a finished folder to the data set's own name.

    Args:
        folder: The finished folder.
        root: A folder that is empty, or does not exist.

    Raises:
        GuideError: `root` was taken meanwhile.
        OSError: It cannot be renamed.
    """
    refuse_taken(root)
    if root.exists():
        root.rmdir()  # Windows renames onto no folder, not even onto an empty one
    folder.rename(root)
