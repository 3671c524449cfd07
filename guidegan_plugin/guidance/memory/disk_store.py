"""DiskStore: an AttentionStore whose maps lie in a file; in main memory is what was visited since the last save."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.disk_rows import Column, Packed, pack
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.map_file import MapFile
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.memory.records import Counts, Recalled, Record, Totals
from guidegan_plugin.guidance.memory.state_dict import shapes_in, unpack_keys
from guidegan_plugin.guidance.memory.storage import Rows, as_float
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.utils.distributed import is_first_rank, is_one_of_several

_AT_ONCE = 4096  # images that are packed at a time
_READ = 1 << 16  # images that were only read, and are kept all the same, at most
_SAMPLE = 1 << 14  # images that stand for all, at most: as many as a mean map is made of
_FILE = "file"  # among what a process tells the others: where the maps lie


class DiskStore(AttentionStore):
    """A memory for more images than main memory holds.

    An image that is read or written is brought into main memory, where everything happens as in an
    :class:`AttentionStore`. A save writes what changed since the last one, in one transaction, and frees it.

    Processes of one machine share the file. The first one saves; the others see a save at the next exchange. What other
    processes have not heard of stays in main memory until then.

    Args:
        device: As :class:`AttentionStore`, of what is in main memory.
        dtype: As :class:`AttentionStore`.

    Raises:
        ConfigError: If the training runs on several machines.
    """

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        super().__init__(device, dtype)
        ranks, here = os.environ.get("WORLD_SIZE", "1"), os.environ.get("LOCAL_WORLD_SIZE")
        if here is not None and here != ranks:
            raise ConfigError(
                f"store=mmap is one file that the processes of one machine share, found {ranks} processes of which "
                f"{here} are on this machine; change store (--guide_store memory)"
            )
        self._file: MapFile | None = None
        self._opened = 0  # the save with which this training began
        self._seen = 0  # the last save whose images were freed
        self._outside = Totals()  # of the images that are not in main memory
        self._changed: dict[str, None] = {}  # images, since the last save
        self._home = torch.device("cpu")  # where maps come from
        self._told: Path | None = None

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

    @property
    def nbytes(self) -> int:
        """Bytes of the maps remembered, on the disk and in main memory."""
        return self._totals().bytes

    @property
    def counts(self) -> Counts:
        """How the memory was used."""
        found = self._totals()
        ages = (self._writes + 1) * found.images - found.stamps
        return Counts(found.visits, self._epoch_visits, self._epoch_first_visits, ages / max(found.images, 1))

    def chunks(self, size: int = 1024) -> Iterator[Tensor]:
        """Maps, some at a time: ``(n, 1, h, w)``, float32 in [0, 1]; of more than 16384 evenly chosen ones."""
        for maps in shapes_in(self.sample()).values():
            yield from map(as_float, maps.split(size))

    def record(self, key: str) -> Record | None:
        """What is known of one image, None before its first visit."""
        self._fetch([key])
        return super().record(key)

    def write(self, keys: Sequence[str], maps: Tensor, view: View | None = None, first: bool = True) -> None:
        """Remember the maps of one visit; see :class:`AttentionStore`."""
        self._home = maps.device
        self._fetch(keys)
        super().write(keys, maps, view, first)
        self._changed.update(dict.fromkeys(keys))

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

    def sample(self) -> dict[str, Tensor]:
        """As :meth:`state`, of at most about 16384 images, evenly chosen."""
        step = max(1, -(-len(self) // _SAMPLE))
        known = self._columns.rows
        there = [] if self._file is None else self._file.keys_evenly(step)
        return self.state([*list(known)[::step], *(key for key in there if key not in known)])

    def load_state(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Replace what is remembered; nothing is read of a memory on the disk but its totals.

        Args:
            tensors: As :meth:`AttentionStore.state` returns them, or a :class:`DiskState`.
            device: Where ``"auto"`` keeps them.

        Raises:
            StoreError: If they are no such tensors, or the file is missing, torn, foreign or too old.
        """
        if isinstance(tensors, DiskState):
            first = is_first_rank()
            file = tensors.open(writable=first, held=not first)
            self._columns, self._slabs, self._writes = Columns(), {}, 0
            self._version += 1
            self._file, self._opened, self._seen, self._changed = file, file.save, file.save, {}
            self._outside = Totals(file.totals.images, file.totals.visits, 0, file.totals.bytes)
        else:
            super().load_state(dict(tensors), device)
            self._file, self._opened, self._seen, self._outside = None, 0, 0, Totals()
            self._changed = dict.fromkeys(self._columns.rows)
        self._home = device

    def save(self, folder: Path, pair: str, source: Path, cure: str) -> DiskState:
        """Write what changed since the last save, and free it.

        A memory goes on in its file. Where the folder is another one, the file is copied there first.

        Args:
            folder: Where the file of maps lies, or is to lie.
            pair: Name of the pair, for the file's.
            source: The store's file that is written next.
            cure: What the user can change to write it elsewhere, for the error.

        Returns:
            What belongs into the store's file.

        Raises:
            StoreError: If it cannot be written. Nothing is lost then: the next save writes it.
        """
        if not is_first_rank():
            raise StoreError("store=mmap: only the first process saves; leave out save() in the others")
        mean = mean_map(self.sample())
        file, made = self._file, False
        if file is None:
            file, made = MapFile.create(folder, pair, cure), True
        elif not file.path.parent.samefile(folder):
            file, made = file.copied(folder, pair, cure), True
        if self._changed:
            try:
                file.write(self._packed(file.save + 1), self._totals(), cure)
            except BaseException:
                if made:
                    file.remove()
                raise
        self._file, self._changed = file, {}
        self._keep(self._not_elsewhere())
        return DiskState(file.path, file.save, mean, source)

    def changes(self) -> dict[str, Tensor]:
        """What other processes have not heard of; and where the maps lie."""
        told = super().changes()
        if self._file is not None and is_first_rank():
            name = np.frombuffer(bytearray(os.fsencode(self._file.path)), dtype=np.uint8)
            told[_FILE] = torch.from_numpy(name)
        return told

    def merge(self, changes: Sequence[Mapping[str, Tensor]], device: torch.device, own: int | None = None) -> None:
        """Take in the :meth:`changes` of all processes; see :class:`AttentionStore`."""
        told = dict.fromkeys(key for tensors in changes for key in unpack_keys(tensors))
        self._fetch(list(told))
        super().merge(changes, device, own)
        self._changed.update(told)
        files = [tensors[_FILE] for tensors in changes if _FILE in tensors]
        self._told = Path(os.fsdecode(files[0].numpy().tobytes())) if files else None
        if not is_first_rank():
            self._see(told)

    def _see(self, told: Iterable[str]) -> None:
        """See what the first process has saved: all that was told before this exchange.

        What is told in this exchange may be in the file already, but without all visits; so it stays in main memory.
        """
        if self._told is None:
            return
        if self._file is None or self._file.path != self._told:
            self._file = MapFile(self._told, held=True)
        else:
            self._file.renew()
        if self._file.save > self._seen:
            self._seen = self._file.save
            self._keep(self._columns.rows_of(told))

    def _totals(self) -> Totals:
        return self._outside + self._inside()

    def _inside(self) -> Totals:
        """Of the images in main memory."""
        columns, count = self._columns, len(self._columns)
        visits, stamps = (int(columns.numbers(name)[:count].sum()) for name in ("visits", "stamps"))
        return Totals(count, visits, stamps, super().nbytes)

    def _fetch(self, keys: Sequence[str]) -> None:
        """Bring images into main memory, those of them that are known and not there."""
        if self._file is None:
            return
        if len(self._columns) > 2 * len(self._changed) + _READ:
            self._keep(self._not_elsewhere())
        rows = self._columns.rows
        if not (missing := [key for key in dict.fromkeys(keys) if key not in rows]):
            return
        found = self._file.read(missing)
        stamps = np.where(found.saves > self._opened, found.stamps, 0)  # those of former trainings count from anew
        cells = sum(maps[:, 0].numel() for maps in shapes_in(found.tensors).values())
        visits = int(found.tensors["visits"].numpy().sum())
        self._outside -= Totals(len(found), visits, int(stamps.sum()), cells * self._dtype.itemsize)
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

    def _not_elsewhere(self) -> Rows:
        """The images that are to stay in main memory: not saved yet, or not told to other processes."""
        untold = self._columns.numbers("fresh")[: len(self._columns) if is_one_of_several() else 0]
        return np.union1d(self._columns.rows_of(self._changed), np.flatnonzero(untold))

    def _keep(self, rows: Rows) -> None:
        """Free all images in main memory but some; the file has the others."""
        before = self._inside()
        tensors, rows = self._state(rows)
        stamps, fresh = (self._columns.numbers(name)[rows].astype(np.int64) for name in ("stamps", "fresh"))
        self._columns, self._slabs = Columns(), {}
        self._add(tensors, stamps, fresh)
        self._changed = {key: None for key in self._changed if key in self._columns.rows}
        self._outside += before - self._inside()

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
                known = Column(visits[own], stamps[own], columns.views[own], save)
                yield from pack([names[row] for row in own.tolist()], maps, known)
