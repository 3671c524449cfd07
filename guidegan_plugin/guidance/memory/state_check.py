"""Looks at all of a packed state before any of it is taken: a file may hold anything, whoever made its checksum."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.mean_map import MEAN
from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.utils.text import short

MAPS = re.compile(r"maps\.([1-9]\d{0,5})x([1-9]\d{0,5})", re.ASCII)
"""The name of the maps of one height and width."""

PARTS = ("keys", "offsets", "views", "visits", MEAN)
"""The names of a memory's other tensors; the last may be missing."""

MOST_VISITS = 1 << 40
"""Of one image: of all together there are fewer than an integer holds."""

_MAP_TYPES = (torch.uint8, torch.float16, torch.float32)


def check_state(tensors: Mapping[str, Tensor]) -> list[str]:
    """Refuse what ``AttentionStore.state`` would not have returned.

    Args:
        tensors: By name, as there.

    Returns:
        The keys.

    Raises:
        StoreError: If one is missing, too many, of another type or shape, or holds values that cannot be; the message
            names the tensor.
    """
    unknown = [name for name in tensors if name not in PARTS and not MAPS.fullmatch(name)]
    if unknown:
        raise StoreError(f"{short(unknown[0])} is no part of a memory")
    keys = check_keys(tensors)
    count = len(keys)
    views = _of(tensors, "views", torch.float32, (count, 2, 3))
    known = ~views.isnan().flatten(1).all(1)
    matrices = views[known]
    area = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
    if not matrices.isfinite().all() or (area.abs() < torch.finfo(torch.float32).tiny).any():
        raise StoreError("'views' holds a crop without an area, or one that is not finite")
    found = sum(_check_maps(name, tensors[name]) for name in tensors if name not in PARTS)
    if found != count:
        raise StoreError(f"there are {found} maps for {count} keys")
    check_mean(tensors)
    return keys


def check_mean(tensors: Mapping[str, Tensor]) -> None:
    """Refuse a mean map, where there is one, that :func:`check_state` would refuse.

    Raises:
        StoreError: As there.
    """
    if MEAN in tensors and not _is_between_0_and_1(mean := _of(tensors, MEAN, torch.float32, (1, None, None))):
        raise StoreError(f"{MEAN!r} {tuple(mean.shape)} holds values that are not in [0, 1], or none")


def check_keys(tensors: Mapping[str, Tensor]) -> list[str]:
    """Refuse keys, or visits, that :func:`check_state` would refuse.

    Args:
        tensors: ``keys``, ``offsets`` and ``visits`` at least.

    Returns:
        The keys.

    Raises:
        StoreError: As there.
    """
    offsets = _of(tensors, "offsets", torch.int64, (None,))
    text = _of(tensors, "keys", torch.uint8, (None,))
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(text) or (offsets.diff() < 0).any():
        raise StoreError(f"'offsets' do not divide the {len(text)} bytes of 'keys'")
    keys = unpack_keys(tensors)
    if len(set(keys)) < len(keys):
        raise StoreError("'keys' holds an image twice")
    visits = _of(tensors, "visits", torch.int64, (len(keys),))
    if (visits < 0).any():
        raise StoreError("'visits' holds less than none")
    if (visits > MOST_VISITS).any():
        raise StoreError("'visits' holds more than can be counted")
    return keys


def _of(tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype, shape: tuple[int | None, ...]) -> Tensor:
    """A tensor of this type and shape; None stands for any length."""
    if name not in tensors:
        raise StoreError(f"{name!r} is missing")
    found = tensors[name]
    fits = found.dim() == len(shape) and all(
        want in (None, have) for want, have in zip(shape, found.shape, strict=True)
    )
    if not fits or found.dtype != dtype:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise StoreError(f"{name!r} is {found.dtype} {tuple(found.shape)}, expected {dtype} ({wanted})")
    return found


def _check_maps(name: str, maps: Tensor) -> int:
    match = MAPS.fullmatch(name)
    size = (1, int(match[1]), int(match[2])) if match else ()
    if maps.dtype not in _MAP_TYPES or maps.shape[1:] != size or not len(maps):
        raise StoreError(f"{name!r} is {maps.dtype} {tuple(maps.shape)}, expected maps {('n', *size)}")
    if maps.is_floating_point() and not _is_between_0_and_1(maps):
        raise StoreError(f"{name!r} holds values that are not in [0, 1]")
    return len(maps)


def _is_between_0_and_1(maps: Tensor) -> bool:
    return bool(maps.numel() and ((maps >= 0) & (maps <= 1)).all())  # NaN is neither
