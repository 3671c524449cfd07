"""AttentionStore: the map and the view of every source image's last visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.memory.contents import Contents
from guidegan_plugin.guidance.memory.merging import newest, note
from guidegan_plugin.guidance.memory.records import Counts, Recalled
from guidegan_plugin.guidance.memory.state_dict import shapes_in, unpack_keys
from guidegan_plugin.guidance.memory.storage import Shape, Slab, rows_on
from guidegan_plugin.guidance.memory.view import View

_NONE = np.empty(0, dtype=np.int64)  # an empty list would be floats to NumPy


class AttentionStore(Contents):
    """Memory k -> k+1 of equation (1): one map a source image, at the discriminator's resolution.

    Args:
        device: ``"auto"`` keeps maps on the device they come from, ``"cpu"`` in (pinned) main memory.
        dtype: ``"uint8"``, ``"float16"`` or ``"float32"``.
    """

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        super().__init__(device, dtype)
        self._epoch_visits = self._epoch_first_visits = 0

    @property
    def counts(self) -> Counts:
        """How the memory was used."""
        visits, stamps = (int(self._columns.numbers(name)[: len(self)].sum()) for name in ("visits", "stamps"))
        ages = (self._writes + 1) * len(self) - stamps
        return Counts(visits, self._epoch_visits, self._epoch_first_visits, ages / max(len(self), 1))

    def end_epoch(self) -> None:
        """Count the visits of an epoch anew."""
        self._epoch_visits = self._epoch_first_visits = 0

    def write(self, keys: Sequence[str], maps: Tensor, view: View | None = None, first: bool = True) -> None:
        """Remember the maps of one visit.

        Args:
            keys: N keys.
            maps: ``(N, 1, h, w)``, floating point in [0, 1].
            view: N views the images were seen under, or None.
            first: False when this visit was written before and is only brought up to date.
        """
        shape: Shape = (maps.shape[-2], maps.shape[-1])
        if len(keys) != len(maps if view is None else view.theta):  # not of the view: one call less
            raise ValueError(f"{len(keys)} keys for {len(maps)} maps")
        slab = self._slabs[shape] if shape in self._slabs else self._new_slab(shape, maps.device)
        size, columns, rows, slots = [*self._slabs].index(shape), self._columns, [], []
        self._writes += 1
        self._version += 1
        for key in keys:
            row = columns.rows.get(key, -1)
            if row < 0 or columns.sizes[row] != size:
                row = self._place(key, row, size, slab)
            rows.append(row)
            slots.append(columns.slots[row])
            if first:
                self._epoch_first_visits += columns.visits[row] == 0
                columns.visits[row] += 1
                columns.fresh[row] += 1
            columns.stamps[row] = self._writes
        self._epoch_visits += len(rows) if first else 0
        # Of a row that is named twice NumPy keeps the last view. An index that is no list is faster.
        columns.views[rows if len(rows) != 1 else rows[0]] = np.nan if view is None else view.theta.numpy()
        slab.write(slots, maps)

    def _place(self, key: str, row: int, size: int, slab: Slab) -> int:
        """A place for the map of an image that is new, or whose map had another size."""
        columns, slot = self._columns, slab.take()
        if row < 0:
            return columns.add(key, size, slot)
        [*self._slabs.values()][columns.sizes[row]].give(columns.slots[row])
        columns.sizes[row], columns.slots[row] = size, slot
        return row

    def recall(self, keys: Sequence[str], device: torch.device | None = None) -> Recalled:
        """What is remembered of a batch of images.

        Args:
            keys: N keys. Maps of several sizes are brought to the size of the first one known.
            device: Where the maps are wanted, by default where they are kept.
        """
        columns, following = self._columns, self._writes + 1
        rows = list(map(columns.rows.get, keys, repeat(-1)))
        stamps, visits = columns.stamps, tuple(map(columns.visits.__getitem__, rows))
        ages = [None if row < 0 else following - stamps[row] for row in rows]
        return Recalled(self._maps(rows, device), tuple(ages), visits, View.join(columns.views.take(rows or _NONE, 0)))

    def _maps(self, rows: Sequence[int], device: torch.device | None) -> Tensor:
        """Maps ``(N, 1, h, w)``, float32, all ones for row -1: one gather a size."""
        columns, slabs = self._columns, [*self._slabs.items()]
        sizes: dict[int, dict[int, int]] = {}  # slots by their place in the batch
        for place, row in enumerate(rows):
            if row >= 0:
                sizes.setdefault(columns.sizes[row], {})[place] = columns.slots[row]
        shape = slabs[next(iter(sizes))][0] if sizes else (1, 1)
        device = device or (self._slabs[shape].maps.device if sizes else torch.device("cpu"))
        found: Tensor | None = None
        for size, slots in sizes.items():
            maps = slabs[size][1].read(list(slots.values()), device)
            if slabs[size][0] != shape:
                maps = F.interpolate(maps, size=shape, mode="bilinear", align_corners=False)
            if len(slots) == len(rows):
                return maps
            found = _ones(len(rows), shape, device) if found is None else found
            found.index_copy_(0, rows_on(device, list(slots)), maps)
        return _ones(len(rows), shape, device) if found is None else found

    def changes(self) -> dict[str, Tensor]:
        """What other processes have not heard of: as :meth:`state`, but ``visits`` since then, and ``stamps``."""
        fresh, stamps = self._columns.numbers("fresh"), self._columns.numbers("stamps")
        tensors, rows = self._state(np.flatnonzero(fresh))
        told = {"visits": fresh[rows].astype(np.int64), "stamps": stamps[rows]}
        return tensors | {name: torch.from_numpy(column) for name, column in told.items()}

    def merge(self, changes: Sequence[Mapping[str, Tensor]], device: torch.device, own: int | None = None) -> None:
        """Take in the :meth:`changes` of all processes, this one's among them.

        The newest map of an image wins, the lower rank's where two are equally new; visits add up.

        Args:
            changes: In rank order, the same on every rank.
            device: Where ``"auto"`` keeps maps.
            own: Which of them were told by this memory, just now: their maps are here. None where that is not known.
        """
        self._version += 1
        new: dict[str, int] = {}
        rows = [self._columns.rows_for(unpack_keys(tensors), new) for tensors in changes]
        columns = self._columns
        found = newest(changes, rows, len(columns) + len(new))
        first = 0
        for rank, tensors in enumerate(changes):
            for maps in shapes_in(tensors).values():
                start, end = np.searchsorted(found.sources, (first, first + len(maps)))
                places = found.sources[start:end] - first
                if len(places) and rank != own:
                    chosen = maps if len(places) == len(maps) else maps.index_select(0, torch.from_numpy(places))
                    self._put(found.rows[start:end], chosen, device)
                first += len(maps)
        note(columns, found, [tensors["views"].numpy() for tensors in changes])
        columns.rows.update(new)
        # Taking in what others saw is no visit, but a map of theirs may be newer than all of ours.
        self._writes = max(self._writes, int(found.stamps.max(initial=0)))

    def catch_up(self, changes: Sequence[Mapping[str, Tensor]], meet: Callable[[], None]) -> None:
        """See what the first process has saved meanwhile: nothing, where each process holds all maps.

        Collective, behind :meth:`merge`.

        Args:
            changes: As :meth:`merge` took them in.
            meet: Waits for all processes.
        """


def _ones(count: int, shape: Shape, device: torch.device) -> Tensor:
    """Placeholders ``(count, 1, h, w)``, float32 whatever PyTorch's default is."""
    return torch.ones(count, 1, *shape, dtype=torch.float32, device=device)
