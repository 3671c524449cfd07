"""Pairs that share one generator: which of them answers a call of it."""

from __future__ import annotations

from torch import Tensor

from guidegan_plugin.guidance.calls.binding import SourceBinding


def answers_for(binding: SourceBinding, pair: str, images: Tensor) -> bool:
    """Whether a pair blends into what is no source of its own, where several pairs have one generator.

    Args:
        binding: Of the training.
        pair: Name of the pair.
        images: ``(N, C, H, W)``, what the generator is called with.
    """
    own = binding.translators[pair]
    pairs = [name for name, place in binding.translators.items() if place == own]
    if len(pairs) < 2:
        return True
    shown = binding.shown(images, pair)
    owners = [row.visit.pair for row in shown.rows if row is not None] if shown is not None else []
    return next((name for name in pairs if name in owners), pairs[0]) == pair
