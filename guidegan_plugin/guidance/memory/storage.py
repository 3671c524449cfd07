"""Slab: maps of one shape in one growing tensor, as a store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Shape = tuple[int, int]
Rows = npt.NDArray[np.int64]

# Maps there is room for at first, and the cells of all of these at most: a single map may be large.
_ROWS, _CELLS = 64, 1 << 22
# Batches of maps that wait for being stored; they are stored with as few operations as one.
_WAITING = 32
# Maps of another dtype that are converted at once, while many are stored.
_CONVERTED = 4096
_HIGHEST = torch.tensor(255, dtype=torch.float32, device="cpu")


def as_float(maps: Tensor) -> Tensor:
    """Maps of any of a store's dtypes as float32 in [0, 1]: a copy."""
    # By a tensor, since the quotient with a number would have PyTorch's default dtype, whatever that is.
    return maps / _HIGHEST if maps.dtype is torch.uint8 else maps.to(torch.float32, copy=True)


def as_stored(maps: Tensor, dtype: torch.dtype) -> Tensor:
    """Maps in [0, 1] as a store keeps them: in 8 bits the nearest of 256 levels."""
    return (maps * 255).round_().to(torch.uint8) if dtype is torch.uint8 else maps.to(dtype)


def rows_on(device: torch.device, rows: Sequence[int]) -> Tensor:
    """Numbers of rows as an index for tensors on a device, int64, copied there without waiting."""
    return torch.tensor(rows, dtype=torch.int64, device="cpu").to(device, non_blocking=True)


class Slab:
    """Rows of one shape, handed out and taken back, so that a step neither allocates nor waits.

    Maps are written behind: those of several batches wait until one of them is read, or until they are many. Then they
    are stored together. What waits is held, not copied, so it must not be changed.

    Args:
        shape: Height and width of a map.
        dtype: Of the maps.
        device: Where they are kept.
        pinned: Whether they are kept in main memory that a GPU copies from and to without blocking.
        room: For how many maps at least there is room at first.
    """

    def __init__(self, shape: Shape, dtype: torch.dtype, device: torch.device, pinned: bool, room: int = 1) -> None:
        self._make = partial(torch.empty, dtype=dtype, device=device, pin_memory=pinned)
        self._shape = (1, *shape)
        self._pinned = pinned
        self._maps = self._make((max(min(_ROWS, _CELLS // (shape[0] * shape[1])), room), *self._shape))
        self._taken = 0  # rows that were ever taken: the first ones
        self._given: list[int] = []  # those of them that were given back
        self._waiting: list[Tensor] = []
        self._rows: dict[int, None] = {}  # of what waits, in order

    def __len__(self) -> int:
        """How many maps there are."""
        return self._taken - len(self._given)

    @property
    def maps(self) -> Tensor:
        """``(capacity, 1, h, w)``, with everything that was written; waits for what is on its way to pinned memory."""
        self._settle()
        if self._pinned:
            torch.cuda.synchronize()
        return self._maps

    def take(self) -> int:
        """A free row."""
        if self._given:
            return self._given.pop()
        self._grow(self._taken + 1)
        self._taken += 1
        return self._taken - 1

    def take_many(self, count: int) -> Rows:
        """Free rows."""
        again = [self._given.pop() for _ in range(min(count, len(self._given)))]
        further = count - len(again)
        self._grow(self._taken + further)
        self._taken += further
        return np.concatenate([np.array(again, dtype=np.int64), np.arange(self._taken - further, self._taken)])

    def give(self, row: int) -> None:
        """Free a row."""
        self._given.append(row)

    def _grow(self, rows: int) -> None:
        """Make room for so many rows."""
        if rows <= len(self._maps):
            return
        if self._pinned:
            torch.cuda.synchronize()  # rows may still arrive; growing is rare
        old = self._maps
        self._maps = self._make((max(2 * len(old), rows), *self._shape))
        self._maps[: len(old)] = old

    def read(self, rows: Sequence[int], device: torch.device) -> Tensor:
        """Maps ``(N, 1, h, w)``, float32 in [0, 1], on a device."""
        if not self._rows.keys().isdisjoint(rows):
            self._settle()
        if len(rows) == 1:
            return as_float(self._maps[rows[0]][None].to(device, non_blocking=True))
        # Row by row in the device's own order: a map in pinned memory may still be on its way from the device.
        return as_float(torch.stack([self._maps[row].to(device, non_blocking=True) for row in rows]))

    def write(self, rows: Sequence[int], maps: Tensor) -> None:
        """Keep maps ``(N, 1, h, w)``, floating point in [0, 1], without waiting for their device.

        Args:
            rows: N rows; of a row that is named twice the last map is kept.
            maps: The maps.
        """
        kept = dict(zip(rows, range(len(rows)), strict=True))
        if len(kept) < len(rows):
            maps = maps.index_select(0, rows_on(maps.device, list(kept.values())))
        alike = not self._waiting or (self._waiting[0].dtype, self._waiting[0].device) == (maps.dtype, maps.device)
        if len(self._waiting) == _WAITING or not alike or not self._rows.keys().isdisjoint(kept):
            self._settle()
        self._waiting.append(maps.detach())
        self._rows |= dict.fromkeys(kept)

    def store(self, rows: Rows, maps: Tensor) -> None:
        """Keep many maps at once.

        Args:
            rows: N rows, each named once.
            maps: ``(N, 1, h, w)`` of any of a store's dtypes, on any device.
        """
        kept = self.maps
        at_once = len(rows) if maps.dtype is kept.dtype else _CONVERTED
        for start in range(0, len(rows), max(at_once, 1)):
            some = maps[start : start + at_once]
            if some.dtype is not kept.dtype:
                some = as_stored(as_float(some), kept.dtype)
            places = torch.from_numpy(rows[start : start + at_once]).to(kept.device)
            kept.index_copy_(0, places, some.to(kept.device))

    def bring(self, maps: Tensor) -> Rows:
        """Keep maps in rows that nobody has had yet, without waiting for what is on its way to others.

        Args:
            maps: ``(N, 1, h, w)`` of any of a store's dtypes, on the CPU.

        Returns:
            The rows.
        """
        start, end = self._taken, self._taken + len(maps)
        self._grow(end)
        self._taken = end
        if maps.dtype is not self._maps.dtype:
            maps = as_stored(as_float(maps), self._maps.dtype)
        self._maps[start:end].copy_(maps, non_blocking=True)
        return np.arange(start, end)

    def gather(self, rows: Rows) -> Tensor:
        """Many maps at once: ``(N, 1, h, w)``, a copy, in the slab's dtype and where it keeps them."""
        kept = self.maps
        return kept.index_select(0, torch.from_numpy(rows).to(kept.device))

    def _settle(self) -> None:
        """Store what waits."""
        if not self._waiting:
            return
        waiting, rows = self._waiting, list(self._rows)
        self._waiting, self._rows = [], {}
        maps = as_stored(torch.cat(waiting) if waiting[1:] else waiting[0], self._maps.dtype)
        if maps.device == self._maps.device:
            self._maps.index_copy_(0, rows_on(maps.device, rows), maps)
            return
        for row, one in zip(rows, maps.unbind(), strict=True):
            self._maps[row].copy_(one, non_blocking=True)
