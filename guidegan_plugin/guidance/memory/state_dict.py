"""What a store remembers, as a dictionary of tensors; see ``AttentionStore.state``."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.storage import Shape, as_float
from guidegan_plugin.guidance.memory.view import View


@dataclass(frozen=True, eq=False)
class Entry:
    """One image's memory.

    Attributes:
        key: The image.
        map: ``(1, h, w)``, float32 in [0, 1].
        view: Crop and flip of the last visit, None where unknown.
        visits: How often it was visited.
    """

    key: str
    map: Tensor
    view: View | None
    visits: int


def pack_keys(keys: Sequence[str]) -> dict[str, Tensor]:
    """Keys as tensors.

    Returns:
        ``keys`` uint8, their UTF-8 bytes, and ``offsets`` ``(N + 1,)`` int64 into them.
    """
    # File names need not be UTF-8; Python hands their other bytes on as surrogates.
    text = "".join(keys)
    if text.isascii():  # as most are: one encoding for all is faster
        encoded, lengths = text.encode(), list(map(len, keys))
    else:
        each = [key.encode(errors="surrogateescape") for key in keys]
        encoded, lengths = b"".join(each), list(map(len, each))
    offsets = np.zeros(len(keys) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    text_bytes = np.frombuffer(bytearray(encoded), dtype=np.uint8)  # writable, which torch asks for
    return {"keys": torch.from_numpy(text_bytes), "offsets": torch.from_numpy(offsets)}


def unpack_keys(tensors: Mapping[str, Tensor]) -> list[str]:
    """The keys that :func:`pack_keys` packed."""
    encoded, bounds = tensors["keys"].numpy().tobytes(), itertools.pairwise(tensors["offsets"].tolist())
    if encoded.isascii():
        text = encoded.decode()
        return [text[start:end] for start, end in bounds]
    return [encoded[start:end].decode(errors="surrogateescape") for start, end in bounds]


def shapes_in(tensors: Mapping[str, Tensor]) -> dict[Shape, Tensor]:
    """The maps of a packed state by their height and width, in the order of its images."""
    shapes = sorted(_shape_of(name) for name in tensors if name.startswith("maps."))
    return {shape: tensors[name_of(shape)] for shape in shapes}


def name_of(shape: Shape) -> str:
    """What the maps of one height and width are called in a packed state."""
    return f"maps.{shape[0]}x{shape[1]}"


def unpack(tensors: Mapping[str, Tensor], wanted: Collection[str] | None = None) -> Iterator[Entry]:
    """The images of a packed state, one by one.

    Args:
        tensors: As ``AttentionStore.state`` returns them; maps of any of the three dtypes.
        wanted: Which of them, by default all.
    """
    keys, views, visits = unpack_keys(tensors), tensors["views"], tensors["visits"].tolist()
    maps = itertools.chain.from_iterable(shapes_in(tensors).values())
    for key, one, theta, count in zip(keys, maps, views, visits, strict=True):
        if wanted is None or key in wanted:
            yield Entry(key, as_float(one), None if theta.isnan().any() else View(theta[None]), count)


def _shape_of(name: str) -> Shape:
    height, width = name.removeprefix("maps.").split("x")
    return int(height), int(width)
