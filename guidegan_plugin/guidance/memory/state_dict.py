"""What a store remembers, as a dictionary of tensors; see ``AttentionStore.state``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    encoded = [key.encode(errors="surrogateescape") for key in keys]
    text = bytearray(b"".join(encoded))
    return {
        "keys": torch.frombuffer(text, dtype=torch.uint8) if text else torch.empty(0, dtype=torch.uint8),
        "offsets": torch.tensor([0, *itertools.accumulate(map(len, encoded))], dtype=torch.int64),
    }


def unpack_keys(tensors: Mapping[str, Tensor]) -> list[str]:
    """The keys that :func:`pack_keys` packed."""
    text = tensors["keys"].numpy().tobytes()
    return [
        text[start:end].decode(errors="surrogateescape")
        for start, end in itertools.pairwise(tensors["offsets"].tolist())
    ]


def unpack(tensors: Mapping[str, Tensor]) -> Iterator[Entry]:
    """The images of a packed state, one by one.

    Args:
        tensors: As ``AttentionStore.state`` returns them; maps of any of the three dtypes.
    """
    shapes = sorted(_shape_of(name) for name in tensors if name.startswith("maps."))
    maps = itertools.chain.from_iterable(as_float(tensors[f"maps.{height}x{width}"]) for height, width in shapes)
    columns = (unpack_keys(tensors), maps, tensors["views"], tensors["visits"].tolist())
    for key, one, theta, visits in zip(*columns, strict=True):
        yield Entry(key, one, None if theta.isnan().any() else View(theta[None]), visits)


def _shape_of(name: str) -> Shape:
    height, width = name.removeprefix("maps.").split("x")
    return int(height), int(width)
