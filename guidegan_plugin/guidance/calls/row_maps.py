"""Maps of the rows of a tensor: in the order of the rows, mirrored as they are, or noise where an image has none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.rows import Rows


def maps_of_rows(maps: Tensor, rows: Rows, visit: Visit) -> Tensor:
    """The maps of a visit for the rows of a tensor: mirrored as they are, and ones for rows of nobody."""
    if rows is visit.rows or rows == visit.rows:
        return maps
    nobody = torch.ones_like(maps[0])
    return torch.stack(
        [turned(maps[row.index], row.flips) if row is not None and row.visit is visit else nobody for row in rows]
    )


def maps_behind(images: Tensor, binding: SourceBinding) -> Tensor | None:
    """The maps with which the source of a tensor was translated: of the fake it is, or of the source itself.

    Args:
        images: ``(N, C, H, W)``.
        binding: Knows the visits under way.

    Returns:
        ``(N, 1, h, w)``, of the rows of the tensor; None for a stranger, and where no map was blended.
    """
    for visit in binding.visits.values():
        made = visit.made(images)
        if made is None and visit.images() is not images:
            continue
        rows = visit.rows if made is None else made.rows
        if not visit.keys:  # made within the step (batch_memory), in the order of the rows of each call
            return next((maps for call, maps in reversed(visit.reads.items()) if call[:1] == (rows,)), None)
        maps = visit.maps if made is None else visit.reads.get(made.keys, visit.maps)
        return None if maps is None else maps_of_rows(maps, rows, visit)
    return None


def placeholder(images: Tensor) -> Tensor:
    """All ones, "based on the assumption that whole image is important" (section 4): ``(N, 1, 1, 1)``, float32."""
    return images.new_ones((images.shape[0], 1, 1, 1), dtype=torch.float32)


def turned(maps: Tensor, flips: str) -> Tensor:
    """Maps ``(..., h, w)`` mirrored along the axes named: ``"x"``, ``"y"`` or both."""
    axes = [{"x": -1, "y": -2}[axis] for axis in flips]
    return maps.flip(axes) if axes else maps


def with_noise(maps: Tensor, visited: Sequence[bool], keys: Sequence[str], shape: tuple[int, int], seed: int) -> Tensor:
    """Maps ``(N, 1, h, w)`` with noise of a shape in place of those of images that were not visited yet."""
    rows = [
        row if known else noise(key, seed, shape).to(maps.device, non_blocking=True)
        for row, known, key in zip(maps, visited, keys, strict=True)
    ]
    return torch.stack(rows)


def noise(key: str, seed: int, shape: tuple[int, int]) -> Tensor:
    """Uniform noise that depends on the image and the seed alone, so neither order, resume nor ranks change it.

    Returns:
        ``(1, h, w)``, float32 in [0, 1), on the CPU.
    """
    digest = hashlib.sha256(f"{seed} {key}".encode(errors="surrogateescape")).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    return torch.rand(1, *shape, generator=generator, dtype=torch.float32, device="cpu")
