"""What files of maps are called."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

NAME = re.compile(r"guide_maps_\w{1,100}_([0-9a-f]{16})\.sqlite", re.ASCII)
"""What such files are called: the pair, and a number of its own for each memory that began from ones."""


def new_path(folder: Path, pair: str) -> tuple[Path, int]:
    """The name of a new file of maps, and the number in it.

    Args:
        folder: Where it is to lie.
        pair: Name of the pair.
    """
    number = secrets.randbits(63)
    name = f"guide_maps_{pair}_{number:016x}.sqlite"
    return folder / (name if NAME.fullmatch(name) else f"guide_maps_pair_{number:016x}.sqlite"), number
