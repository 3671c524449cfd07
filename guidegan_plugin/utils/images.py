"""Image files: which files are images, and how one is read whole."""

from __future__ import annotations

import errno
import stat
import struct
import zlib
from collections.abc import Collection
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from guidegan_plugin.errors import DataError
from guidegan_plugin.utils.listing import visible_files

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp"})
"""What names of images end with, in lower case."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # where warnings are errors
)
"""What Pillow raises for files that it cannot read; its formats do not agree, and some stumble over wrong numbers."""

OPAQUE = ("1", "L", "P", "RGB")
"""Modes of 8 bits a channel or fewer, gray or RGB, without an alpha channel."""


def is_image(path: Path) -> bool:
    """Whether a file is named as an image; a hidden one is none, such as the notes macOS leaves beside images."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def list_images(folder: Path, *, deep: bool = False) -> list[Path]:
    """List the images of a folder, sorted; hidden files and hidden subfolders, such as a notebook's, are passed over.

    Args:
        folder: Where they lie.
        deep: Whether its subfolders are read, too.

    Raises:
        OSError: If there is no such folder, or it or a subfolder cannot be read.
    """
    return [path for path in visible_files(folder, deep=deep) if is_image(path)]


def open_image(path: Path, flag: str = "", modes: Collection[str] | None = None) -> Image.Image:
    """Read an image to its last byte, in its own mode.

    Args:
        path: The file.
        flag: What to change, for the error, such as ``--pred``; empty where the error stands in a list of files.
        modes: Those of Pillow's modes that will do; None takes every mode.

    Returns:
        The image, decoded, its file closed.

    Raises:
        DataError: If it is missing, cut off, damaged, no image, or has another mode.
    """
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # which would be waited for
            raise OSError(errno.EINVAL, "Not a plain file")
        with Image.open(path) as image:
            image.load()  # all of it; what stays of the file is its name
    except BROKEN as error:
        cure = f"; replace it, or change {flag}" if flag else ""
        raise DataError(f"{path} is no readable image ({_reason(error)}){cure}") from error
    if modes is not None and image.mode not in modes:
        cure = f"; convert it, or change {flag}" if flag else ""
        raise DataError(f"{path} has mode {image.mode}, 8 bits a channel are expected ({', '.join(modes)}){cure}")
    return image


def _reason(error: Exception) -> str:
    """In one line, and without the path a second time."""
    if isinstance(error, UnidentifiedImageError):
        return "of no known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
