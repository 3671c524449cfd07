"""What lies in a folder for its user; what programs keep there for themselves is hidden."""

from __future__ import annotations

import os
from pathlib import Path


def visible_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """List the files of a folder, sorted; hidden ones are passed over, such as the notes macOS leaves beside each file.

    Args:
        folder: Where they lie.
        deep: Whether its subfolders are read, too; hidden ones, such as a notebook's with copies, are not.

    Raises:
        OSError: If there is no such folder, or it or a subfolder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found)
