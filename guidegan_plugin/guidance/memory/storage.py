"""Slab: maps of one shape in one growing tensor, as a store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

Shape = tuple[int, int]


def as_float(maps: Tensor) -> Tensor:
    """Maps of any of a store's dtypes as float32 in [0, 1]."""
    return maps.float() / 255 if maps.dtype is torch.uint8 else maps.float()


def as_stored(maps: Tensor, dtype: torch.dtype) -> Tensor:
    """Maps in [0, 1] as a store keeps them: in 8 bits the nearest of 256 levels."""
    return (maps * 255).round().to(torch.uint8) if dtype is torch.uint8 else maps.to(dtype)


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

    def read(self, rows: Sequence[int], device: torch.device) -> Tensor:
        """Maps ``(N, 1, h, w)``, float32 in [0, 1], on a device."""
        # Row by row in the device's own order: a map in pinned memory may still be on its way from the device.
        return as_float(torch.stack([self.maps[row].to(device, non_blocking=True) for row in rows]))

    def write(self, rows: Sequence[int], maps: Tensor) -> None:
        """Keep maps ``(N, 1, h, w)``, floating point in [0, 1], without waiting for their device."""
        for row, one in zip(rows, as_stored(maps, self.maps.dtype).unbind(), strict=True):
            self.maps[row].copy_(one, non_blocking=True)
