"""DiskStore: an AttentionStore whose maps lie in a file; in main memory is what was visited since the last save."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.disk_cache import DiskCache
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.map_database import require
from guidegan_plugin.guidance.memory.map_file import MapFile
from guidegan_plugin.guidance.memory.mean_map import MOST, mean_map
from guidegan_plugin.guidance.memory.records import Counts, Totals
from guidegan_plugin.guidance.memory.state_dict import shapes_in, unpack_keys
from guidegan_plugin.guidance.memory.storage import as_float
from guidegan_plugin.utils.distributed import is_first_rank

_FILE = "file"  # among what a process tells the others: where the maps lie


class DiskStore(DiskCache):
    """A memory for more images than main memory holds.

    An image that is read or written is brought into main memory, where everything happens as in an
    :class:`AttentionStore`. A save writes what changed since the last one, in one transaction, and frees it.

    Processes of one machine share the file. The first one saves; the others see a save at the next exchange. What other
    processes have not heard of stays in main memory until then.

    Args:
        device: As :class:`AttentionStore`, of what is in main memory.
        dtype: As :class:`AttentionStore`.

    Raises:
        ConfigError: If the training runs on several machines, or this Python has no SQLite.
    """

    on_disk = True

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        super().__init__(device, dtype)
        require()
        ranks, here = os.environ.get("WORLD_SIZE", "1"), os.environ.get("LOCAL_WORLD_SIZE")
        if here is not None and here != ranks:
            raise ConfigError(
                f"store=mmap is one file that the processes of one machine share, found {ranks} processes of which "
                f"{here} are on this machine; change store (--guide_store memory)"
            )
        self._seen = 0  # the last save whose images were freed

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

    def sample(self) -> dict[str, Tensor]:
        """As :meth:`state`, of at most about 16384 images, evenly chosen."""
        step = max(1, -(-len(self) // MOST))
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
            self._kept, self._rooms, self._excess = 0, {}, {}
            self._outside = file.totals
        else:
            super().load_state(tensors, device)
            self._file, self._opened, self._seen, self._outside = None, 0, 0, Totals()
            self._kept, self._rooms, self._excess = 0, {}, {}
            self._changed = dict.fromkeys(self._columns.rows)
        self._home = device

    def save(self, folder: Path, pair: str, source: Path, cure: str) -> DiskState:
        """Write what changed since the last save, and free it.

        A memory goes on in its file. Where the folder is another one, or the file was deleted or moved, the file is
        copied there first.

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
        elif not file.is_in(folder):
            file, made = file.copied(folder, pair, cure), True
        if self._changed:
            try:
                file.write(self._packed(file.save + 1), self._totals(), cure)
            except BaseException:
                if made:
                    file.remove()
                raise
        self._file, self._changed = file, {}
        self._free_all_but(self._not_elsewhere())
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
        self._note_changed(told)

    def catch_up(self, changes: Sequence[Mapping[str, Tensor]], meet: Callable[[], None]) -> None:
        """See what the first process has saved: all that was told before this exchange.

        While nobody reads the file, the first process empties its log, which grows by every save otherwise.
        Collective, behind :meth:`merge`.

        Args:
            changes: As :meth:`merge` took them in.
            meet: Waits for all processes.

        Raises:
            StoreError: If the file is missing, torn or foreign.
        """
        if self._file is not None:
            self._file.release()
        meet()
        first = is_first_rank()
        if self._file is not None and first:
            self._file.checkpoint()
        meet()
        if not first:
            self._see(changes)
        meet()  # nobody saves before all have seen what was saved until here

    def _see(self, changes: Sequence[Mapping[str, Tensor]]) -> None:
        """What is told in this exchange may be in the file, but without all visits; so it stays in main memory."""
        files = [tensors[_FILE] for tensors in changes if _FILE in tensors]
        if not files:
            return
        path = Path(os.fsdecode(files[0].numpy().tobytes()))
        if self._file is None or self._file.path != path or not self._file.held:
            self._file = MapFile(path, held=True)
        else:
            self._file.renew()
        if self._file.save > self._seen:
            self._seen = self._file.save
            told = dict.fromkeys(key for tensors in changes for key in unpack_keys(tensors))
            self._free_all_but(self._columns.rows_of(told))
