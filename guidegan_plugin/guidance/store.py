"""AttentionStore: the map and the view of every source image's last visit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.view import View

_DTYPES = {"uint8": torch.uint8, "float16": torch.float16, "float32": torch.float32}

Shape = tuple[int, int]


@dataclass
class Record:
    """Where one image's map lies, how often the image was visited, and under which view last."""

    shape: Shape
    row: int
    visits: int
    view: View | None


class _Slab:
    """Maps of one shape in one growing tensor, so that a step neither allocates nor waits."""

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
        self._slabs: dict[Shape, _Slab] = {}

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
        stored = (maps * 255).round().to(torch.uint8) if self._dtype is torch.uint8 else maps.to(self._dtype)
        shape: Shape = (maps.shape[-2], maps.shape[-1])
        slab = self._slab(shape, maps.device)
        for index, key in enumerate(keys):
            record = self._records.get(key)
            if record is None or record.shape != shape:
                if record is not None:
                    self._slabs[record.shape].give(record.row)
                record = Record(shape, slab.take(), record.visits if record is not None else 0, None)
                self._records[key] = record
            slab.maps[record.row].copy_(stored[index], non_blocking=True)
            record.view = None if view is None else View(view.theta[index : index + 1])
            record.visits += first

    def read(self, keys: Sequence[str], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """The maps as they were last written; images never visited get the placeholder of all ones.

        Args:
            keys: N keys. Maps of several sizes are brought to the size of the first one known.
            device: Where to, by default where the maps are kept.

        Returns:
            Maps ``(N, 1, h, w)``, float32 in [0, 1] (``(N, 1, 1, 1)`` where no image is known), and visited ``(N,)``,
            bool on the CPU.
        """
        records = [self._records.get(key) for key in keys]
        visited = torch.tensor([record is not None for record in records], dtype=torch.bool)
        shape = next((record.shape for record in records if record is not None), (1, 1))
        device = device or (self._slabs[shape].maps.device if shape in self._slabs else torch.device("cpu"))
        rows = [
            torch.ones(1, *shape, device=device) if record is None else self._row(record, shape, device)
            for record in records
        ]
        return torch.stack(rows), visited

    def views(self, keys: Sequence[str]) -> View | None:
        """The views of the last visits, identity where one is unknown; None where all are."""
        records = [self._records.get(key) for key in keys]
        views = [record.view if record is not None else None for record in records]
        if all(view is None for view in views):
            return None
        return View.stack([view if view is not None else View.identity() for view in views])

    def _row(self, record: Record, shape: Shape, device: torch.device) -> Tensor:
        kept = self._slabs[record.shape].maps[record.row].to(device, non_blocking=True)
        row = kept.float() / 255 if self._dtype is torch.uint8 else kept.float()
        if record.shape == shape:
            return row
        return F.interpolate(row[None], size=shape, mode="bilinear", align_corners=False)[0]

    def _slab(self, shape: Shape, device: torch.device) -> _Slab:
        if shape not in self._slabs:
            keep_on = self._device or device
            self._slabs[shape] = _Slab(
                shape, self._dtype, keep_on, pinned=keep_on.type == "cpu" and device.type == "cuda"
            )
        return self._slabs[shape]

    def state(self) -> dict[str, Tensor]:
        """Everything remembered, as tensors on the CPU.

        Returns:
            ``maps.<h>x<w>`` ``(n, 1, h, w)`` in the store's dtype, one a shape; and, images in the order of these
            tensors, shapes sorted: ``views`` ``(N, 2, 3)`` float32, NaN where unknown; ``visits`` ``(N,)`` int64;
            ``keys`` uint8, the keys' UTF-8 bytes, and ``offsets`` ``(N + 1,)`` int64 into them.
        """
        if torch.cuda.is_available() and any(slab.maps.is_pinned() for slab in self._slabs.values()):
            torch.cuda.synchronize()
        tensors: dict[str, Tensor] = {}
        ordered: list[str] = []
        for shape in sorted({record.shape for record in self._records.values()}):
            keys = [key for key, record in self._records.items() if record.shape == shape]
            rows = torch.tensor([self._records[key].row for key in keys])
            maps = self._slabs[shape].maps
            tensors[f"maps.{shape[0]}x{shape[1]}"] = maps[rows.to(maps.device)].cpu()
            ordered += keys
        unknown = torch.full((1, 2, 3), float("nan"))
        views = [record.view.theta if record.view else unknown for record in map(self._records.__getitem__, ordered)]
        encoded = [key.encode() for key in ordered]
        lengths = torch.tensor([0] + [len(key) for key in encoded], dtype=torch.int64)
        tensors["views"] = torch.cat(views) if views else torch.empty(0, 2, 3)
        tensors["visits"] = torch.tensor([self._records[key].visits for key in ordered], dtype=torch.int64)
        tensors["keys"] = torch.frombuffer(bytearray(b"".join(encoded)), dtype=torch.uint8) if encoded else _no_bytes()
        tensors["offsets"] = lengths.cumsum(0)
        return tensors

    def load_state(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Replace what is remembered with what :meth:`state` returned.

        Args:
            tensors: As :meth:`state` returns them; maps of any of the three dtypes.
            device: Where ``"auto"`` keeps them.
        """
        offsets = tensors["offsets"].tolist()
        text = bytes(tensors["keys"].tolist())
        keys = [text[start:end].decode() for start, end in itertools.pairwise(offsets)]
        self._records.clear()
        self._slabs.clear()
        start = 0
        for shape in sorted(_shape_of(name) for name in tensors if name.startswith("maps.")):
            maps = tensors[f"maps.{shape[0]}x{shape[1]}"]
            values = maps.float() / 255 if maps.dtype is torch.uint8 else maps.float()
            self.write(keys[start : start + len(maps)], values.to(device))
            start += len(maps)
        for key, theta, visits in zip(keys, tensors["views"], tensors["visits"].tolist(), strict=True):
            record = self._records[key]
            record.view = None if theta.isnan().any() else View(theta[None])
            record.visits = visits


def _no_bytes() -> Tensor:
    return torch.empty(0, dtype=torch.uint8)


def _shape_of(name: str) -> Shape:
    height, width = name.removeprefix("maps.").split("x")
    return int(height), int(width)
