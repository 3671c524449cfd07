"""What a file of maps keeps of an image: one row of bytes, and its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.state_check import MOST_VISITS
from guidegan_plugin.guidance.memory.state_dict import name_of, pack_keys
from guidegan_plugin.guidance.memory.storage import Shape, as_float
from guidegan_plugin.utils.text import short

# Before the bytes of a map. The dtype is the number of its place among `_DTYPES`.
_HEAD = np.dtype(
    [
        ("height", "<u4"),
        ("width", "<u4"),
        ("dtype", "u1"),
        ("visits", "<i8"),
        ("stamp", "<i8"),
        ("save", "<i8"),
        ("view", "<f4", (2, 3)),
    ]
)
_TINY = np.finfo(np.float32).tiny
_DTYPES = (torch.uint8, torch.float16, torch.float32)

Packed = tuple[bytes, bytes, int]
"""An image's key in UTF-8, its row, and the checksum of both."""


@dataclass(frozen=True, eq=False)
class Unpacked:
    """What rows say of N images.

    Attributes:
        tensors: As ``AttentionStore.state`` returns them.
        stamps: ``(N,)``, in their order: when each map was written, counted in writes of its training.
        saves: ``(N,)``, with which save each row was written.
        bytes: ``(N,)``, of each map in the file.
    """

    tensors: dict[str, Tensor]
    stamps: npt.NDArray[np.int64]
    saves: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stamps)


@dataclass(frozen=True, eq=False)
class Known:
    """What is packed of N images besides keys and maps; see :class:`Unpacked`."""

    visits: npt.NDArray[np.integer]
    stamps: npt.NDArray[np.integer]
    views: npt.NDArray[np.float32]
    save: int


def pack(keys: Sequence[str], maps: Tensor, known: Known) -> Iterator[Packed]:
    """The rows of images whose maps have one size.

    Args:
        keys: N keys.
        maps: ``(N, 1, h, w)``, uint8, float16 or float32, on the CPU.
        known: What else is known of them, in this order.
    """
    heads = np.zeros(len(keys), dtype=_HEAD)
    heads["height"], heads["width"] = maps.shape[-2:]
    heads["dtype"], heads["save"] = _DTYPES.index(maps.dtype), known.save
    heads["visits"], heads["stamp"], heads["view"] = known.visits, known.stamps, known.views
    content = maps.contiguous().view(len(maps), -1).view(torch.uint8).numpy()
    for key, head, cells in zip(keys, heads, content, strict=True):
        name, row = encoded(key), head.tobytes() + cells.tobytes()
        yield name, row, _sum(name, row)


def unpack(rows: Iterable[Packed]) -> Unpacked:
    """What :func:`pack` packed, looked at before any of it is taken.

    Raises:
        StoreError: If a row was altered, or holds what no training of ours remembers.
    """
    packed = list(rows)
    heads = np.zeros(len(packed), dtype=_HEAD)
    for key, row, found in packed:
        if not isinstance(row, bytes) or len(row) < _HEAD.itemsize or _sum(key, row) != found:
            raise StoreError(f"was altered after it was written (the checksum of {short(decoded(key))} differs)")
    if packed:
        heads = np.frombuffer(b"".join([row[: _HEAD.itemsize] for _, row, _ in packed]), dtype=_HEAD)
        _check(heads)
    shapes: dict[Shape, list[int]] = {}
    for number, shape in enumerate(zip(heads["height"].tolist(), heads["width"].tolist(), strict=True)):
        shapes.setdefault(shape, []).append(number)
    tensors = {name_of(shape): _maps(shape, shapes[shape], packed, heads) for shape in sorted(shapes)}
    order = [number for shape in sorted(shapes) for number in shapes[shape]]
    heads = heads[order]
    tensors |= pack_keys([decoded(packed[number][0]) for number in order])
    tensors["views"] = torch.from_numpy(heads["view"].astype(np.float32))
    tensors["visits"] = torch.from_numpy(heads["visits"].astype(np.int64))
    stamps, saves = (heads[name].astype(np.int64) for name in ("stamp", "save"))
    lengths = [len(packed[number][1]) - _HEAD.itemsize for number in order]
    return Unpacked(tensors, stamps, saves, np.array(lengths, dtype=np.int64))


def _check(heads: npt.NDArray[np.void]) -> None:
    """Refuse what ``check_state`` would refuse; within a step that takes too long."""
    views, visits = heads["view"], heads["visits"]
    area = views[:, 0, 0] * views[:, 1, 1] - views[:, 0, 1] * views[:, 1, 0]
    known = ~np.isnan(views).reshape(-1, 6).all(1)
    if not (np.abs(area[known]) >= _TINY).all() or not np.isfinite(views[known]).all():
        raise StoreError("holds a crop without an area, or one that is not finite")
    if visits.min() < 0 or visits.max() > MOST_VISITS:
        raise StoreError("holds visits that cannot be counted")
    if heads["dtype"].max() >= len(_DTYPES):
        raise StoreError(f"holds maps of an unknown type ({heads['dtype'].max()})")


def _maps(shape: Shape, numbers: Sequence[int], packed: Sequence[Packed], heads: npt.NDArray[np.void]) -> Tensor:
    """Maps ``(n, 1, h, w)`` of one size; of several dtypes float32."""
    kinds = heads["dtype"][numbers]
    parts: dict[int, Tensor] = {}
    for kind in np.unique(kinds).tolist():
        rows = [packed[number][1][_HEAD.itemsize :] for number in np.array(numbers)[kinds == kind].tolist()]
        width = shape[0] * shape[1] * _DTYPES[kind].itemsize
        if {len(row) for row in rows} != {width} or not width:
            raise StoreError(f"holds a map of {shape[0]} x {shape[1]} that has another number of bytes")
        content = np.frombuffer(bytearray(b"".join(rows)), dtype=np.uint8)
        parts[kind] = torch.from_numpy(content).view(_DTYPES[kind]).view(len(rows), 1, *shape)
        if kind and not ((parts[kind] >= 0) & (parts[kind] <= 1)).all():  # NaN is neither
            raise StoreError("holds a map with values that are not in [0, 1]")
    if len(parts) == 1:
        return next(iter(parts.values()))
    maps = torch.empty(len(numbers), 1, *shape, dtype=torch.float32, device="cpu")
    for kind, own in parts.items():
        maps[torch.from_numpy(kinds == kind)] = as_float(own)
    return maps


def encoded(key: str) -> bytes:
    """A key as a file of maps keeps it; file names need not be UTF-8."""
    return key.encode(errors="surrogateescape")


def decoded(key: object) -> str:
    """The key that :func:`encoded` encoded."""
    return key.decode(errors="surrogateescape") if isinstance(key, bytes) else repr(key)


def _sum(key: object, row: bytes) -> int:
    return zlib.crc32(row, zlib.crc32(key)) if isinstance(key, bytes) else -1
