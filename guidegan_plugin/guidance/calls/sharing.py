"""Pairs that share one generator: which of them answers a call of it."""

from __future__ import annotations

from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.binding import SourceBinding


def refuse_same_images(binding: SourceBinding, pair: str, images: Tensor) -> None:
    """Refuse images that another pair of the same generator has bound: one of the two answers for them.

    Args:
        binding: Of the training.
        pair: Name of the pair that is to bind them.
        images: ``(N, C, H, W)``.

    Raises:
        ConfigError: If there is such a pair.
    """
    own = binding.translators.get(pair)
    for name, visit in binding.visits.items():
        if name != pair and visit.images() is images and binding.translators.get(name) == own:
            raise ConfigError(
                f"pairs {name} and {pair} have one generator and bind the same images, which get the map of one; "
                "name both discriminators in one pair: attach(G, [D1, D2]), or D1+D2 (--guide_pairs)"
            )


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
