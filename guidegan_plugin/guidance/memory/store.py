"""AttentionStore: the map and the view of every source image's last visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.merging import newest, note
from guidegan_plugin.guidance.memory.records import Counts, Recalled, Record
from guidegan_plugin.guidance.memory.state_check import check_state
from guidegan_plugin.guidance.memory.state_dict import name_of, pack_keys, shapes_in, unpack_keys
from guidegan_plugin.guidance.memory.storage import Rows, Shape, Slab, as_float, rows_on
from guidegan_plugin.guidance.memory.view import View

_DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}

_NONE = np.empty(0, dtype=np.int64)  # an empty list would be floats to NumPy


class AttentionStore:
    """Memory k -> k+1 of equation (1): one map a source image, at the discriminator's resolution.

    Args:
        device: ``"auto"`` keeps maps on the device they come from, ``"cpu"`` in (pinned) main memory.
        dtype: ``"uint8"``, ``"float16"`` or ``"float32"``.
    """

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        self._device = None if device == "auto" else torch.device(device)
        self._dtype = _DTYPES[dtype]
        self._columns = Columns()
        self._slabs: dict[Shape, Slab] = {}  # in the order in which they were made
        self._writes = self._epoch_visits = self._epoch_first_visits = 0
        self._version = 0

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

    @property
    def counts(self) -> Counts:
        """How the memory was used."""
        visits, stamps = (int(self._columns.numbers(name)[: len(self)].sum()) for name in ("visits", "stamps"))
        ages = (self._writes + 1) * len(self) - stamps
        return Counts(visits, self._epoch_visits, self._epoch_first_visits, ages / max(len(self), 1))

    def end_epoch(self) -> None:
        """Count the visits of an epoch anew."""
        self._epoch_visits = self._epoch_first_visits = 0

    def chunks(self, size: int = 1024) -> Iterator[Tensor]:
        """All maps, some at a time: ``(n, 1, h, w)``, float32 in [0, 1], where they are kept."""
        for _, slab, rows in self._by_size(np.arange(len(self), dtype=np.int64)):
            slots = self._columns.numbers("slots")[rows].astype(np.int64)
            for start in range(0, len(slots), size):
                yield as_float(slab.gather(slots[start : start + size]))

    def record(self, key: str) -> Record | None:
        """What is known of one image, None before its first visit."""
        return self._columns.record(key, [*self._slabs])

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

    def _new_slab(self, shape: Shape, device: torch.device, room: int = 1) -> Slab:
        keep_on = self._device or device
        pinned = keep_on.type == "cpu" and device.type == "cuda"
        slab = self._slabs[shape] = Slab(shape, self._dtype, keep_on, pinned, room)
        return slab

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
            tensors: As :meth:`state` returns them; maps of any of the three dtypes.
            device: Where ``"auto"`` keeps them.

        Raises:
            StoreError: If they are no such tensors.
        """
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


def _ones(count: int, shape: Shape, device: torch.device) -> Tensor:
    """Placeholders ``(count, 1, h, w)``, float32 whatever PyTorch's default is."""
    return torch.ones(count, 1, *shape, dtype=torch.float32, device=device)
