"""Columns: what a memory knows of its images besides their maps, one row an image."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from guidegan_plugin.guidance.memory.storage import Rows

# Images there is room for at first; later an eighth more each time.
_ROOM = 64
_NUMBERS = {"sizes": "i", "slots": "i", "visits": "q", "fresh": "i", "stamps": "q"}


class Columns:
    """Rows in the order in which images were first seen; none is ever taken away.

    Every column has more rows than there are images, and rows without an image hold zeros and unknown views. So row -1
    stands for an image that is not known.

    A step reads and writes single numbers, which is faster in an ``array`` than in a NumPy array; see :meth:`numbers`.

    Attributes:
        rows: The row of each image, by its key.
        sizes: Which of a store's slabs holds the map, in the order in which the slabs were made.
        slots: Where in this slab the map lies.
        visits: How often the image was visited.
        fresh: Visits that other processes have not heard of.
        stamps: When the map was written, counted in writes.
        views: ``(rows, 2, 3)`` float32, crop and flip of the last visit as in a ``View``, NaN where unknown.
    """

    __slots__ = ("fresh", "rows", "sizes", "slots", "stamps", "views", "visits")

    sizes: array[int]
    slots: array[int]
    visits: array[int]
    fresh: array[int]
    stamps: array[int]

    def __init__(self, room: int = _ROOM) -> None:
        self.rows: dict[str, int] = {}
        self.views = np.empty((0, 2, 3), dtype=np.float32)
        for name, kind in _NUMBERS.items():
            setattr(self, name, array(kind))
        self.reserve(room)

    def __len__(self) -> int:
        return len(self.rows)

    def reserve(self, images: int) -> None:
        """Make room for so many images in all."""
        if images < len(self.views):
            return
        room = images + images // 8 + 1 if len(self.views) else images + 1
        views = np.full((room, 2, 3), np.nan, dtype=np.float32)
        views[: len(self.views)] = self.views
        for name, kind in _NUMBERS.items():
            old, new = self.numbers(name), array(kind, bytes(array(kind).itemsize * room))
            np.frombuffer(new, dtype=kind)[: len(old)] = old
            setattr(self, name, new)
        self.views = views

    def add(self, key: str, size: int, slot: int) -> int:
        """The row of an image that was not known."""
        row = len(self.rows)
        self.reserve(row + 1)
        self.sizes[row], self.slots[row] = size, slot
        self.visits[row] = self.fresh[row] = self.stamps[row] = 0  # a merge that failed may have left others
        self.rows[key] = row
        return row

    def rows_of(self, keys: Iterable[str]) -> Rows:
        """The rows of images that are known.

        Raises:
            KeyError: If one is not.
        """
        return np.array(list(map(self.rows.__getitem__, keys)), dtype=np.int64)

    def rows_for(self, keys: Sequence[str], new: dict[str, int]) -> Rows:
        """The rows of images, known or not.

        Args:
            keys: Of the images.
            new: The rows that images which are not known are to have. Further ones are added here; it is the caller
                who adds them to :attr:`rows`, once their columns are filled.
        """
        rows, known, count = self.rows, self.rows.get, len(self.rows)
        if rows:
            found = [new.setdefault(key, count + len(new)) if (row := known(key)) is None else row for key in keys]
        else:
            found = [new.setdefault(key, len(new)) for key in keys]
        self.reserve(count + len(new))
        return np.array(found, dtype=np.int64)

    def numbers(self, name: str) -> npt.NDArray[np.integer]:
        """A column of numbers as a NumPy array of the same memory, of all rows."""
        column: array[int] = getattr(self, name)
        return np.frombuffer(column, dtype=column.typecode)
