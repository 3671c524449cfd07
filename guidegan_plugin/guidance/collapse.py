"""Notices maps that say nothing, without waiting for the device."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from guidegan_plugin.guidance.calls.attachment import Attachment
from guidegan_plugin.guidance.memory.statistics import is_placeholder

_log = logging.getLogger(__name__)

# Visits between two looks at a count that is kept on the device; by the second look its copy has long arrived.
_EVERY = 50
# Visits that are counted together, so that a step computes next to nothing for this.
_TOGETHER = 25


class CollapseWatch:
    """Says once that maps of a pair have collapsed into the placeholder, and why that is likely.

    Args:
        pair: Name of the pair.
    """

    def __init__(self, pair: str) -> None:
        self._pair = pair
        self._visits = 0
        self._uncounted: list[Tensor] = []
        self._count: Tensor | None = None
        self._arrived: tuple[Tensor, int] | None = None  # a count, and after how many visits it was taken
        self._told = False

    def see(self, maps: Tensor, attachment: Attachment) -> None:
        """Take in the maps of one visit.

        Args:
            maps: ``(n, 1, h, w)``, in [0, 1], of the images that were judged.
            attachment: Knows D, to find the cause in.
        """
        if self._told:
            return
        self._uncounted.append(maps)
        self._visits += 1
        if self._visits % _TOGETHER == 0:
            count = self._take_count()
            if self._visits % _EVERY == 0:
                self._tell(maps, attachment)
                self._arrived = count.to("cpu", non_blocking=True), self._visits

    def end_epoch(self, maps: Tensor | None, attachment: Attachment) -> None:
        """An epoch is over; here waiting is fine."""
        if maps is not None and self._visits and not self._told:
            self._arrived = self._take_count().cpu(), self._visits
            self._tell(maps, attachment)

    def _take_count(self) -> Tensor:
        """In how many batches maps have collapsed so far; one value on their device."""
        for batches in _alike(self._uncounted):
            rows = is_placeholder(torch.cat(batches) if batches[1:] else batches[0])
            collapsed = rows.view(len(batches), -1).any(1).sum()
            self._count = collapsed if self._count is None else self._count + collapsed
        self._uncounted = []
        return torch.zeros((), dtype=torch.int64, device="cpu") if self._count is None else self._count

    def _tell(self, maps: Tensor, attachment: Attachment) -> None:
        """Warn if the count that has arrived says so."""
        count, visits = (0, 0) if self._arrived is None else (int(self._arrived[0]), self._arrived[1])
        if not count:
            return
        self._told = True
        _log.warning(
            "pair %s: in %d of %d batches D's layer gave no usable map, and G was given ones for it; likely cause: %s",
            self._pair,
            count,
            visits,
            _cause(maps, attachment.discriminator),
        )


def _alike(batches: Sequence[Tensor]) -> list[list[Tensor]]:
    """Batches of maps ``(N, 1, h, w)``, those of one shape, type and device together."""

    def kind(maps: Tensor) -> str:
        return f"{tuple(maps.shape)} {maps.dtype} {maps.device}"

    return [list(found) for _, found in itertools.groupby(sorted(batches, key=kind), kind)]


def _cause(maps: Tensor, discriminator: nn.Module | None) -> str:
    if maps.shape[-2:].numel() == 1:
        return "a map of a single cell has no range; change layer (--guide_layer), or take larger crops"
    state = {} if discriminator is None else discriminator.state_dict()
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        return f"the training has diverged, D's {broken[0]} is not finite; go back to an earlier checkpoint"
    return (
        "the layer's output is constant, or overflows in half precision; change layer (--guide_layer) or tap "
        "(--guide_tap), or look at D's losses"
    )
