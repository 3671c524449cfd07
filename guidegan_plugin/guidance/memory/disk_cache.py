"""DiskCache: the part of a memory on the disk that is in main memory, what was visited since the last save."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.disk_rows import Known, Packed, Unpacked, pack
from guidegan_plugin.guidance.memory.map_file import MapFile
from guidegan_plugin.guidance.memory.records import Recalled, Totals
from guidegan_plugin.guidance.memory.state_dict import shapes_in, unpack_keys
from guidegan_plugin.guidance.memory.storage import Rows, Shape, Slab
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.utils.distributed import is_one_of_several

_AT_ONCE = 4096  # images that are packed at a time
_READ = 1 << 16  # images that were only read, and are kept all the same, at most


class DiskCache(AttentionStore):
    """A memory whose images are brought into main memory when they are read or written, and are freed later.

    Args:
        device: As :class:`AttentionStore`, of what is in main memory.
        dtype: As :class:`AttentionStore`.
    """

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        super().__init__(device, dtype)
        self._file: MapFile | None = None
        self._opened = 0  # the save with which this training began
        self._outside = Totals()  # of the images that are not in main memory
        self._changed: dict[str, None] = {}  # images, since the last save
        self._rooms: dict[Shape, int] = {}  # how many maps there were before images were freed last
        self._kept = 0  # images that could not be freed when images were freed last
        self._excess: dict[str, int] = {}  # bytes a map in the file has beyond its own here, of those only read
        self._home = torch.device("cpu")  # where maps come from

    def __len__(self) -> int:
        return self._outside.images + len(self._columns)

    def __contains__(self, key: str) -> bool:
        return super().__contains__(key) or (self._file is not None and key in self._file)

    def __iter__(self) -> Iterator[str]:
        known = self._columns.rows
        yield from list(known)
        for key in self._file.keys() if self._file is not None else ():
            if key not in known:
                yield key

    def write(self, keys: Sequence[str], maps: Tensor, view: View | None = None, first: bool = True) -> None:
        """Remember the maps of one visit; see :class:`AttentionStore`."""
        self._home = maps.device
        self._fetch(keys)
        super().write(keys, maps, view, first)
        self._note_changed(keys)

    def recall(self, keys: Sequence[str], device: torch.device | None = None) -> Recalled:
        """What is remembered of a batch of images; see :class:`AttentionStore`.

        Raises:
            StoreError: If the file was torn meanwhile.
        """
        self._fetch(keys)
        return super().recall(keys, device)

    def state(self, keys: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What is remembered, as tensors on the CPU; see :class:`AttentionStore`. All images are a lot."""
        keys = list(self) if keys is None else keys
        self._fetch(keys)
        return super().state(keys)

    def _totals(self) -> Totals:
        return self._outside + self._inside()

    def _inside(self) -> Totals:
        """Of the images in main memory."""
        columns, count = self._columns, len(self._columns)
        visits, stamps = (int(columns.numbers(name)[:count].sum()) for name in ("visits", "stamps"))
        return Totals(count, visits, stamps, super().nbytes + sum(self._excess.values()))

    def _note_changed(self, keys: Iterable[str]) -> None:
        """Maps that the next save writes, as they are here."""
        changed = dict.fromkeys(keys)
        self._changed.update(changed)
        if self._excess:
            for key in changed:
                self._excess.pop(key, None)

    def _note_excess(self, found: Unpacked) -> None:
        """Maps that an earlier training kept in another type: in the file they stay so until they are written."""
        sizes = [(maps[0].numel() * self._dtype.itemsize, len(maps)) for maps in shapes_in(found.tensors).values()]
        excess = found.bytes - np.repeat(*np.array(sizes, dtype=np.int64).reshape(-1, 2).T)
        if excess.any():
            self._excess |= dict(zip(unpack_keys(found.tensors), excess.tolist(), strict=True))

    def _fetch(self, keys: Sequence[str]) -> None:
        """Bring images into main memory, those of them that are known and not there."""
        if self._file is None:
            return
        if len(self._columns) > 2 * max(len(self._changed), self._kept) + _READ:
            self._free_all_but(self._not_elsewhere())
        rows = self._columns.rows
        if not (missing := [key for key in dict.fromkeys(keys) if key not in rows]):
            return
        found = self._file.read(missing)
        stamps = np.where(found.saves > self._opened, found.stamps, 0)  # those of former trainings count from anew
        self._note_excess(found)
        visits = int(found.tensors["visits"].numpy().sum())
        self._outside -= Totals(len(found), visits, int(stamps.sum()), int(found.bytes.sum()))
        self._add(found.tensors, stamps, np.zeros_like(stamps))

    def _add(self, tensors: Mapping[str, Tensor], stamps: Rows, fresh: Rows) -> None:
        """Images that are not in main memory, as :meth:`state` returns them."""
        columns = self._columns
        start, keys = len(columns), unpack_keys(tensors)
        end = start + len(keys)
        columns.reserve(end)
        sizes, slots, place = columns.numbers("sizes"), columns.numbers("slots"), start
        for shape, maps in shapes_in(tensors).items():
            slab = self._slabs[shape] if shape in self._slabs else self._new_slab(shape, self._home, len(maps))
            own = slice(place, place + len(maps))
            sizes[own], slots[own], place = [*self._slabs].index(shape), slab.bring(maps), own.stop
        columns.views[start:end] = tensors["views"].numpy()
        for name, values in {"visits": tensors["visits"].numpy(), "stamps": stamps, "fresh": fresh}.items():
            columns.numbers(name)[start:end] = values
        columns.rows.update(zip(keys, range(start, end), strict=True))

    def _new_slab(self, shape: Shape, device: torch.device, room: int = 1) -> Slab:
        """With room for as many maps as there were before: growing waits for the device."""
        return super()._new_slab(shape, device, max(room, self._rooms.get(shape, 1)))

    def _not_elsewhere(self) -> Rows:
        """The images that are to stay in main memory: not saved yet, or not told to other processes."""
        untold = self._columns.numbers("fresh")[: len(self._columns) if is_one_of_several() else 0]
        return np.union1d(self._columns.rows_of(self._changed), np.flatnonzero(untold))

    def _free_all_but(self, rows: Rows) -> None:
        """Free all images in main memory but some; the file has the others."""
        before = self._inside()
        tensors, rows = self._state(rows)
        stamps, fresh = (self._columns.numbers(name)[rows].astype(np.int64) for name in ("stamps", "fresh"))
        self._rooms = {shape: len(slab) for shape, slab in self._slabs.items()}
        self._columns, self._slabs = Columns(), {}
        self._add(tensors, stamps, fresh)
        self._changed = {key: None for key in self._changed if key in self._columns.rows}
        self._excess = {key: more for key, more in self._excess.items() if key in self._columns.rows}
        self._outside += before - self._inside()
        self._kept = len(self._columns)

    def _packed(self, save: int) -> Iterator[Packed]:
        """The rows of the images that changed, some at a time, keys ascending."""
        columns, keys = self._columns, sorted(self._changed)
        visits, stamps, slots = (columns.numbers(name) for name in ("visits", "stamps", "slots"))
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            rows = columns.rows_of(some)
            names = dict(zip(rows.tolist(), some, strict=True))
            for _, slab, own in self._by_size(rows):
                maps = slab.gather(slots[own].astype(np.int64)).cpu()
                known = Known(visits[own], stamps[own], columns.views[own], save)
                yield from pack([names[row] for row in own.tolist()], maps, known)
