"""Finding images in folders."""

from __future__ import annotations

import os
from pathlib import Path

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp"}


def make_dataset(folder: str | Path, max_dataset_size: float = float("inf")) -> list[str]:
    """List the images in a folder and in all folders below it, links included.

    Args:
        folder: Where to look.
        max_dataset_size: Keep no more than this many, the first by name.

    Returns:
        Sorted paths.

    Raises:
        FileNotFoundError: There is no such folder, or no image in it.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'; check --dataroot, --phase and --dataset_mode")
    # os.walk, because Path.rglob does not follow links.
    files = (Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names)
    paths = sorted(str(path) for path in files if path.suffix.lower() in EXTENSIONS)
    if not paths:
        raise FileNotFoundError(f"no image in '{folder}'; known extensions are {', '.join(sorted(EXTENSIONS))}")
    return paths[: int(min(max_dataset_size, len(paths)))]
