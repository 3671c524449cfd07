"""The mean of a memory's maps, in the frame of the images themselves: one map that can stand for all at test time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.memory.state_dict import shapes_in
from guidegan_plugin.guidance.memory.storage import as_float
from guidegan_plugin.guidance.memory.view import View

MEAN = "mean"
"""The name of the mean map among the tensors of a memory in a file."""

_ROWS = 1024  # maps moved at a time
# Moving maps takes much longer than saving them, and so many have the mean of all, to less than a level of 8 bits.
MOST = 1 << 14
"""Maps that are averaged at most."""

_CELLS = 512  # along a side of the mean, at most
_ROUNDING = 1e-6  # of a centre that lies on the border of a visit


def with_mean(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A memory's state with its mean map, as a file keeps it; a memory without a map has no mean."""
    mean = mean_map(state)
    return dict(state) if mean is None else {**state, MEAN: mean}


def mean_map(state: Mapping[str, Tensor]) -> Tensor | None:
    """The mean of all maps of a memory.

    Each map is moved back from the crop and flip it was seen under. A cell of an image counts where its centre lies in
    what the visit showed; cells that no visit showed are given the mean of the others. Of more than 16384 maps about as
    many are averaged, evenly chosen.

    Args:
        state: As ``AttentionStore.state`` returns it; a mean that a file brought along is taken as it is.

    Returns:
        ``(1, h, w)``, float32 in [0, 1], on the CPU; None where nothing is remembered. The cells are as large as those
        of most maps.
    """
    if MEAN in state:
        return state[MEAN]
    groups = list(_groups(state))
    if not groups:
        return None
    step = -(-sum(len(maps) for maps, _ in groups) // MOST)
    groups = [(maps[::step], thetas[::step]) for maps, thetas in groups]
    size = _size(*max(groups, key=lambda group: len(group[0])))
    total = torch.zeros(1, *size, dtype=torch.float64, device="cpu")
    seen = torch.zeros_like(total)
    for maps, thetas in groups:
        for some, views in zip(maps.split(_ROWS), thetas.split(_ROWS), strict=True):
            moved, covered = _in_image(as_float(some), views, size)
            total += (moved * covered).double().sum(0)
            seen += covered.double().sum(0)
    # A map so large beside its crop that no centre lies in it would leave nothing.
    elsewhere = total.sum() / seen.sum() if seen.any() else torch.ones_like(total.sum())
    return torch.where(seen > 0, total / seen.clamp(min=1), elsewhere).float().clamp(0, 1)


def _groups(state: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Maps ``(n, 1, h, w)`` of one shape, as they are kept, and the views ``(n, 2, 3)`` they were seen under."""
    unknown = state["views"].isnan().flatten(1).any(1)
    views = torch.where(unknown[:, None, None], View.identity().theta, state["views"])
    start = 0
    for maps in shapes_in(state).values():
        yield maps, views[start : start + len(maps)]
        start += len(maps)


def _size(maps: Tensor, thetas: Tensor) -> tuple[int, int]:
    """How many cells an image has, those of its maps being as large as in most visits."""
    share_y, share_x = thetas[:, :, :2].abs().sum(2).median(0).values.flip(0).tolist()
    height, width = maps.shape[-2:]
    return max(1, min(round(height / share_y), _CELLS)), max(1, min(round(width / share_x), _CELLS))


def _in_image(maps: Tensor, thetas: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Maps in the frame of their images, and which cells of it the visits showed, each ``(n, 1, h, w)``."""
    to_visit = View.trusted(thetas).seen_from(View.identity(len(thetas)))
    grid = F.affine_grid(to_visit, [len(maps), 1, *size], align_corners=False)
    moved = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved, (grid.abs() <= 1 + _ROUNDING).all(-1)[:, None]
