"""Looks at a folder of images before a training starts, not hours into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from guidegan_plugin.errors import DataError
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.utils.images import BROKEN

MIXED_MODES = "guide_mixed_modes"


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not there.

    Args:
        folder: Where images are expected.

    Raises:
        DataError: If it is missing.
    """
    if not folder.is_dir():
        raise DataError(f"no images at {folder}: there is no such folder; change --dataroot (or --phase)")


def check_sizes(options: object) -> None:
    """Refuse sizes that no image could meet.

    Raises:
        DataError: If images are resized to less than the crop.
    """
    preprocess, load_size, crop_size = (read_option(options, name) for name in ("preprocess", "load_size", "crop_size"))
    resized = "resize" in preprocess or "scale_width" in preprocess
    if "crop" in preprocess and resized and load_size < crop_size:
        raise DataError(
            f"images resized to {load_size} are smaller than the crop of {crop_size}; "
            f"change --load_size to at least --crop_size"
        )


def check_images(
    folder: Path,
    paths: Sequence[object],
    options: object,
    allow_mixed_modes: bool,
    refuses: Callable[[int], bool],
    halves: int = 1,
) -> bool:
    """Read the headers of a folder's images and refuse what cannot be trained on.

    Args:
        folder: Where they are, for messages.
        paths: The images as the host listed them.
        options: The host's options.
        allow_mixed_modes: Let the host convert images of several modes.
        refuses: Whether the host itself cannot use the image at a position of the list.
        halves: 2 for side-by-side pairs, whose width counts half.

    Returns:
        Whether the images could be read; False where the host reads them and Pillow does not.

    Raises:
        DataError: If there are none, one is no image or smaller than the crop and the host cannot use it, or their
            modes are mixed.
    """
    if not paths:
        raise DataError(f"no images in {folder}; change --dataroot (or --phase)")
    examples: dict[str, str] = {}
    small: set[tuple[int, int]] = set()
    crop_size = read_option(options, "crop_size")
    for position, path in enumerate(paths):
        try:
            mode, (width, height) = _header(path)
        except BROKEN as error:
            if refuses(position):
                raise DataError(f"{path} is no image that can be read ({error}); repair or remove it") from error
            return False
        examples.setdefault(mode, str(path))
        if read_option(options, "preprocess") == "crop" and min(width // halves, height) < crop_size:
            if (width, height) not in small and refuses(position):
                raise DataError(
                    f"{path} is {width // halves} x {height}, smaller than the crop of {crop_size}; "
                    f"change --crop_size, or use --preprocess resize_and_crop"
                )
            small.add((width, height))
    if len(examples) > 1 and not allow_mixed_modes:
        found = ", ".join(f"{mode} ({Path(path).name})" for mode, path in sorted(examples.items()))
        raise DataError(
            f"{folder} mixes image modes: {found}; save them in one mode, or let the host convert them with "
            f"--{MIXED_MODES} convert"
        )
    return True


def corrupt(paths: Sequence[str]) -> list[str]:
    """The images among these that cannot be decoded to the end; reads them all."""
    return [path for path in paths if not _readable(path)]


def _header(path: object) -> tuple[str, tuple[int, int]]:
    if not isinstance(path, (str, os.PathLike)):
        raise OSError(f"{type(path).__name__} in place of a path")
    with Image.open(path) as image:
        return image.mode, image.size


def _readable(path: str) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except BROKEN:
        return False
    return True
