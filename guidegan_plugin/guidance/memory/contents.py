"""Contents: what a memory holds, how much it is, and how it is packed and taken in as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.state_check import check_state
from guidegan_plugin.guidance.memory.state_dict import name_of, pack_keys, shapes_in
from guidegan_plugin.guidance.memory.storage import Rows, Shape, Slab, as_float

_DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}


class Contents:
    """Maps in slabs, one a shape, and columns of what else is known of their images.

    Args:
        device: ``"auto"`` keeps maps on the device they come from, ``"cpu"`` in (pinned) main memory.
        dtype: ``"uint8"``, ``"float16"`` or ``"float32"``.

    Attributes:
        on_disk: Whether maps lie in a file of their own, beside the store's file.
    """

    on_disk: ClassVar[bool] = False

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        self._device = None if device == "auto" else torch.device(device)
        self._dtype = _DTYPES[dtype]
        self._columns = Columns()
        self._slabs: dict[Shape, Slab] = {}  # in the order in which they were made
        self._writes = self._version = 0

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, key: str) -> bool:
        return key in self._columns.rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns.rows)

    @property
    def version(self) -> int:
        """A number that is another one after every change of what :meth:`state` returns."""
        return self._version

    @property
    def nbytes(self) -> int:
        """Bytes of the maps remembered, without what is held in reserve."""
        size = torch.empty((), dtype=self._dtype, device="cpu").element_size()
        return sum(len(slab) * height * width * size for (height, width), slab in self._slabs.items())

    def chunks(self, size: int = 1024) -> Iterator[Tensor]:
        """All maps, some at a time: ``(n, 1, h, w)``, float32 in [0, 1], where they are kept."""
        for _, slab, rows in self._by_size(np.arange(len(self), dtype=np.int64)):
            slots = self._columns.numbers("slots")[rows].astype(np.int64)
            for start in range(0, len(slots), size):
                yield as_float(slab.gather(slots[start : start + size]))

    def sample(self) -> dict[str, Tensor]:
        """As :meth:`state`, of enough images for their mean map; here of all."""
        return self.state()

    def save(self, folder: Path, pair: str, source: Path, cure: str) -> Mapping[str, Tensor]:
        """What belongs into a store's file: here all that is remembered. A memory on the disk saves its maps now.

        Args:
            folder: Where the store's file is to lie in the end.
            pair: Name of the pair.
            source: The store's file.
            cure: What the user can change to write it elsewhere, for the error.

        Raises:
            StoreError: If maps on the disk cannot be written.
        """
        return self.state()

    def state(self, keys: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What is remembered, as tensors on the CPU.

        Args:
            keys: Of which images, by default of all.

        Returns:
            ``maps.<h>x<w>`` ``(n, 1, h, w)`` in the store's dtype, one a shape; and, images in the order of these
            tensors, shapes sorted: ``views`` ``(N, 2, 3)`` float32, NaN where unknown; ``visits`` ``(N,)`` int64;
            ``keys`` uint8, the keys' UTF-8 bytes, and ``offsets`` ``(N + 1,)`` int64 into them.
        """
        columns = self._columns
        return self._state(columns.rows_of(columns.rows if keys is None else keys))[0]

    def _state(self, rows: Rows) -> tuple[dict[str, Tensor], Rows]:
        """As :meth:`state`, of some rows, and these rows in the order of the tensors."""
        columns, slots = self._columns, self._columns.numbers("slots")
        parts = list(self._by_size(rows))
        maps = {name_of(shape): slab.gather(slots[own].astype(np.int64)).cpu() for shape, slab, own in parts}
        rows = np.concatenate([rows[:0], *(own for _, _, own in parts)])
        keys = list(columns.rows)
        tensors = pack_keys([keys[row] for row in rows.tolist()]) | maps
        tensors["views"] = torch.from_numpy(columns.views[rows])
        tensors["visits"] = torch.from_numpy(columns.numbers("visits")[rows])
        return tensors, rows

    def _by_size(self, rows: Rows) -> Iterator[tuple[Shape, Slab, Rows]]:
        """Rows of maps of one size after another, sizes sorted, each size's rows in the order in which they came."""
        shapes = sorted(self._slabs)
        order = np.array([shapes.index(shape) for shape in self._slabs], dtype=np.int64)
        places = order[self._columns.numbers("sizes")[rows]] if len(rows) else rows
        rows = rows[np.argsort(places, kind="stable")]
        ends = np.cumsum(np.bincount(places, minlength=len(shapes))).tolist()
        for shape, start, end in zip(shapes, [0, *ends], ends, strict=False):
            if start < end:
                yield shape, self._slabs[shape], rows[start:end]

    def load_state(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Replace what is remembered with what :meth:`state` returned: all of it, or nothing where that fails.

        Args:
            tensors: As :meth:`state` returns them; maps of any of the three dtypes. What lies on disk is read whole.
            device: Where ``"auto"`` keeps them.

        Raises:
            StoreError: If they are no such tensors, or as :meth:`DiskState.whole`.
        """
        tensors = tensors.whole() if isinstance(tensors, DiskState) else tensors
        keys = check_state(tensors)
        self._version += 1
        before = self._columns, self._slabs
        self._columns, self._slabs = Columns(len(keys)), {}
        try:
            self._take_in(tensors, dict(zip(keys, range(len(keys)), strict=True)), device)
        except BaseException:  # out of memory, or Ctrl-C
            self._columns, self._slabs = before
            raise
        self._writes = 0

    def _take_in(self, tensors: Mapping[str, Tensor], rows: dict[str, int], device: torch.device) -> None:
        """Fill an empty memory."""
        columns, start = self._columns, 0
        for maps in shapes_in(tensors).values():
            self._put(np.arange(start, start + len(maps), dtype=np.int64), maps, device)
            start += len(maps)
        columns.views[:start] = tensors["views"].numpy()
        columns.numbers("visits")[:start] = tensors["visits"].numpy()
        columns.rows = rows

    def _put(self, rows: Rows, maps: Tensor, device: torch.device) -> None:
        """Store maps of one size, of images of which none has a row twice; those of further rows are new."""
        shape: Shape = (maps.shape[-2], maps.shape[-1])
        slab = self._slabs[shape] if shape in self._slabs else self._new_slab(shape, device, len(maps))
        slabs, size = [*self._slabs.values()], [*self._slabs].index(shape)
        sizes, slots = self._columns.numbers("sizes"), self._columns.numbers("slots")
        known = rows < len(self._columns)
        moved = np.flatnonzero(~known | (sizes[rows] != size))
        left = rows[moved[known[moved]]]
        own = slots[rows].astype(np.int64)
        own[moved] = slab.take_many(len(moved))
        slab.store(own, maps)
        for row in left.tolist():
            slabs[sizes[row]].give(int(slots[row]))
        sizes[rows], slots[rows] = size, own

    def _new_slab(self, shape: Shape, device: torch.device, room: int = 1) -> Slab:
        keep_on = self._device or device
        pinned = keep_on.type == "cpu" and device.type == "cuda"
        slab = self._slabs[shape] = Slab(shape, self._dtype, keep_on, pinned, room)
        return slab
