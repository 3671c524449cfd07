"""Where the source images of a training lie, as its host tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.utils.keys import place_of


def whole(pair: str) -> int | None:
    """Images are whole files, whichever pair reads them."""
    return None


@dataclass(frozen=True)
class Sources:
    """The source images of one training.

    Attributes:
        roots: Folders that keys may be relative to, the likeliest first.
        half: From a pair's name to which half of its files are its images, of pairs saved side by side: 0 left, 1
            right; None: the whole.
    """

    roots: Sequence[Path]
    half: Callable[[str], int | None] = whole

    def find(self, key: str) -> Path | None:
        """The file of an image, None where there is none."""
        return next(filter(None, (place_of(root, key) for root in self.roots)), None)
