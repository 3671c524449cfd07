"""Slab: maps of one shape in one growing tensor."""

from __future__ import annotations

from functools import partial

import torch

Shape = tuple[int, int]


class Slab:
    """Rows of one shape, handed out and taken back, so that a step neither allocates nor waits.

    Args:
        shape: Height and width of a map.
        dtype: Of the maps.
        device: Where they are kept.
        pinned: Whether they are kept in main memory that a GPU copies from and to without blocking.

    Attributes:
        maps: ``(capacity, 1, h, w)``.
    """

    def __init__(self, shape: Shape, dtype: torch.dtype, device: torch.device, pinned: bool) -> None:
        self._make = partial(torch.empty, dtype=dtype, device=device, pin_memory=pinned)
        self._shape = (1, *shape)
        self._pinned = pinned
        self.maps = self._make((64, *self._shape))
        self._free = list(range(63, -1, -1))

    def take(self) -> int:
        """A free row."""
        if not self._free:
            if self._pinned:
                torch.cuda.synchronize()  # rows may still arrive; growing is rare
            old = self.maps
            self.maps = self._make((2 * len(old), *self._shape))
            self.maps[: len(old)] = old
            self._free = list(range(len(self.maps) - 1, len(old) - 1, -1))
        return self._free.pop()

    def give(self, row: int) -> None:
        """Free a row."""
        self._free.append(row)
