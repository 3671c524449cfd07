"""AttentionStore: the map and the view of every source image's last visit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.memory.records import Counts, Recalled, Record
from guidegan_plugin.guidance.memory.state_check import check_state
from guidegan_plugin.guidance.memory.state_dict import Entry, pack_keys, unpack
from guidegan_plugin.guidance.memory.storage import Shape, Slab, as_float, rows_on
from guidegan_plugin.guidance.memory.view import View

_DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}


class AttentionStore:
    """Memory k -> k+1 of equation (1): one map a source image, at the discriminator's resolution.

    Args:
        device: ``"auto"`` keeps maps on the device they come from, ``"cpu"`` in (pinned) main memory.
        dtype: ``"uint8"``, ``"float16"`` or ``"float32"``.
    """

    def __init__(self, device: str = "auto", dtype: str = "uint8") -> None:
        self._device = None if device == "auto" else torch.device(device)
        self._dtype = _DTYPES[dtype]
        self._records: dict[str, Record] = {}
        self._slabs: dict[Shape, Slab] = {}
        self._writes = self._epoch_visits = self._epoch_first_visits = 0

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    @property
    def nbytes(self) -> int:
        """Bytes of the maps remembered, without what is held in reserve."""
        size = torch.empty((), dtype=self._dtype).element_size()
        return sum(record.shape[0] * record.shape[1] * size for record in self._records.values())

    @property
    def counts(self) -> Counts:
        """How the memory was used."""
        records = self._records.values()
        age = sum(self._writes - record.stamp + 1 for record in records) / max(len(records), 1)
        visits = sum(record.visits for record in records)
        return Counts(visits, self._epoch_visits, self._epoch_first_visits, age)

    def end_epoch(self) -> None:
        """Count the visits of an epoch anew."""
        self._epoch_visits = self._epoch_first_visits = 0

    def chunks(self, size: int = 1024) -> Iterator[Tensor]:
        """All maps, some at a time: ``(n, 1, h, w)``, float32 in [0, 1], where they are kept."""
        for shape, slab in self._slabs.items():
            rows = [record.row for record in self._records.values() if record.shape == shape]
            for start in range(0, len(rows), size):
                yield as_float(slab.maps[torch.tensor(rows[start : start + size], device=slab.maps.device)])

    def record(self, key: str) -> Record | None:
        """What is known of one image, None before its first visit."""
        return self._records.get(key)

    def write(self, keys: Sequence[str], maps: Tensor, view: View | None = None, first: bool = True) -> None:
        """Remember the maps of one visit.

        Args:
            keys: N keys.
            maps: ``(N, 1, h, w)``, floating point in [0, 1].
            view: N views the images were seen under, or None.
            first: False when this visit was written before and is only brought up to date.
        """
        shape: Shape = (maps.shape[-2], maps.shape[-1])
        slab, rows = self._slabs.get(shape) or self._new_slab(shape, maps.device), []
        # A copy, because what a loader's worker sends keeps a file open for as long as it is held.
        thetas = [None] * len(maps) if view is None else view.theta.clone().unbind()
        self._writes += 1
        for key, theta in zip(keys, thetas, strict=True):
            record = self._records.get(key)
            if record is None or record.shape != shape:
                if record is not None:
                    self._slabs[record.shape].give(record.row)
                visits, fresh = (record.visits, record.fresh) if record is not None else (0, 0)
                record = self._records[key] = Record(shape, slab.take(), visits, fresh=fresh)
            rows.append(record.row)
            record.theta = theta
            self._epoch_visits += first
            self._epoch_first_visits += first and record.visits == 0
            record.visits += first
            record.fresh += first
            record.stamp = self._writes
        slab.write(rows, maps)

    def recall(self, keys: Sequence[str], device: torch.device | None = None) -> Recalled:
        """What is remembered of a batch of images.

        Args:
            keys: N keys. Maps of several sizes are brought to the size of the first one known.
            device: Where the maps are wanted, by default where they are kept.
        """
        records = list(map(self._records.get, keys))
        ages = [None if record is None else self._writes - record.stamp + 1 for record in records]
        visits = [0 if record is None else record.visits for record in records]
        thetas = [None if record is None else record.theta for record in records]
        return Recalled(self._maps(records, device), tuple(ages), tuple(visits), View.join(thetas))

    def _maps(self, records: Sequence[Record | None], device: torch.device | None) -> Tensor:
        """Maps ``(N, 1, h, w)``, float32, all ones where there is no record: one gather a size."""
        sizes: dict[Shape, dict[int, int]] = {}  # rows by their place in the batch
        for place, record in enumerate(records):
            if record is not None:
                sizes.setdefault(record.shape, {})[place] = record.row
        shape = next(iter(sizes), (1, 1))
        device = device or (self._slabs[shape].maps.device if sizes else torch.device("cpu"))
        found: Tensor | None = None
        for size, rows in sizes.items():
            maps = self._slabs[size].read(list(rows.values()), device)
            if size != shape:
                maps = F.interpolate(maps, size=shape, mode="bilinear", align_corners=False)
            if len(rows) == len(records):
                return maps
            found = _ones(len(records), shape, device) if found is None else found
            found.index_copy_(0, rows_on(device, list(rows)), maps)
        return _ones(len(records), shape, device) if found is None else found

    def _new_slab(self, shape: Shape, device: torch.device) -> Slab:
        keep_on = self._device or device
        pinned = keep_on.type == "cpu" and device.type == "cuda"
        slab = self._slabs[shape] = Slab(shape, self._dtype, keep_on, pinned)
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
        # What waits is sent on its way first: ``maps`` does that.
        # Sorting is stable: within a shape images keep the order in which they were first seen.
        ordered = sorted(self._records if keys is None else keys, key=lambda key: self._records[key].shape)
        records = [self._records[key] for key in ordered]
        tensors = pack_keys(ordered)
        for shape in sorted({record.shape for record in records}):
            maps = self._slabs[shape].maps
            rows = torch.tensor([record.row for record in records if record.shape == shape], device=maps.device)
            tensors[f"maps.{shape[0]}x{shape[1]}"] = maps[rows].cpu()
        unknown = torch.full((2, 3), float("nan"), dtype=torch.float32, device="cpu")
        thetas = [unknown if record.theta is None else record.theta for record in records]
        tensors["views"] = torch.stack(thetas) if thetas else unknown.expand(0, 2, 3)
        tensors["visits"] = torch.tensor([record.visits for record in records], dtype=torch.int64)
        return tensors

    def load_state(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Replace what is remembered with what :meth:`state` returned: all of it, or nothing where that fails.

        Args:
            tensors: As :meth:`state` returns them; maps of any of the three dtypes.
            device: Where ``"auto"`` keeps them.

        Raises:
            StoreError: If they are no such tensors.
        """
        check_state(tensors)
        before = self._records, self._slabs, self._writes
        self._records, self._slabs = {}, {}
        try:
            for entry in unpack(tensors):
                self.write([entry.key], entry.map[None].to(device), entry.view, first=False)
                self._records[entry.key].visits, self._records[entry.key].stamp = entry.visits, 0
        except BaseException:  # out of memory, or Ctrl-C
            self._records, self._slabs, self._writes = before
            raise
        self._writes = 0

    def changes(self) -> dict[str, Tensor]:
        """What other processes have not heard of: as :meth:`state`, but ``visits`` since then, and ``stamps``."""
        tensors = self.state([key for key, record in self._records.items() if record.fresh])
        records = [self._records[entry.key] for entry in unpack(tensors)]
        tensors["visits"] = torch.tensor([record.fresh for record in records], dtype=torch.int64)
        tensors["stamps"] = torch.tensor([record.stamp for record in records], dtype=torch.int64)
        return tensors

    def merge(self, changes: Sequence[dict[str, Tensor]], device: torch.device) -> None:
        """Take in the :meth:`changes` of all processes, this one's among them.

        The newest map of an image wins, the lower rank's where two are equally new; visits add up.

        Args:
            changes: In rank order, the same on every rank.
            device: Where ``"auto"`` keeps maps.
        """
        newest: dict[str, tuple[int, Entry]] = {}
        visits: Counter[str] = Counter()
        for tensors in changes:
            for entry, stamp in zip(unpack(tensors), tensors["stamps"].tolist(), strict=True):
                visits[entry.key] += entry.visits
                if entry.key not in newest or stamp > newest[entry.key][0]:
                    newest[entry.key] = stamp, entry
        # Taking in what others saw is no visit, but a map of theirs may be newer than all of ours.
        writes = max([self._writes, *(stamp for stamp, _ in newest.values())])
        for key, (stamp, entry) in newest.items():
            known = self._records.get(key)
            before = known.visits - known.fresh if known is not None else 0
            self.write([key], entry.map[None].to(device), entry.view, first=False)
            record = self._records[key]
            record.visits, record.fresh, record.stamp = before + visits[key], 0, stamp
        self._writes = writes


def _ones(count: int, shape: Shape, device: torch.device) -> Tensor:
    """Placeholders ``(count, 1, h, w)``, float32 whatever PyTorch's default is."""
    return torch.ones(count, 1, *shape, dtype=torch.float32, device=device)
