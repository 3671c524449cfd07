"""Training against test: training shows G real maps and testing shows it ones, so some visits are given ones, too."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError


def is_dropped(key: str, visit: int, probability: float, seed: int) -> bool:
    """Whether a visit is given the placeholder; image, visit and seed alone decide, so the host's draws are untouched.

    Args:
        key: The image.
        visit: How often the image was visited before.
        probability: In [0, 1].
        seed: Another seed drops other visits.
    """
    digest = hashlib.sha256(f"dropout {seed} {visit} {key}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6], "little") < probability * 2**48


def weight_of_ones(progress: float, start: float, end: float) -> float:
    """How far maps have faded into the placeholder: 0 up to ``start``, 1 from ``end`` on, linear in between.

    Args:
        progress: Share of the training done, in [0, 1].
        start: Where fading begins, in [0, 1).
        end: Where only the placeholder is left, in (start, 1].
    """
    return min(max((progress - start) / (end - start), 0.0), 1.0)


def with_ones(maps: Tensor, dropped: Sequence[bool], weight: float) -> Tensor:
    """Maps on their way to what test time shows.

    Args:
        maps: ``(N, 1, h, w)``, in [0, 1].
        dropped: N flags: which maps become all ones.
        weight: Of all ones in every map, in [0, 1].

    Returns:
        ``(N, 1, h, w)``, in [0, 1]; the very maps where there is nothing to do.
    """
    if any(dropped):
        ones = torch.tensor([row for row, drop in enumerate(dropped) if drop], device="cpu")
        maps = maps.index_fill(0, ones.to(maps.device, non_blocking=True), 1)
    return maps if weight == 0 else (1 - weight) * maps + weight


class Schedule:
    """How a pair's maps go over into the placeholder in the course of a training.

    Args:
        dropout: With which probability a visit is given the placeholder, in [0, 1].
        anneal: Between which shares of the training maps fade into the placeholder, or None.
        seed: Seed of the dropout.
        progress: From the number of batches bound so far, the one under way among them, to the share of the training
            that will then be done; above 1 counts as 1. Not asked without ``anneal``.

    Attributes:
        steps: Batches bound.

    Raises:
        ConfigError: If maps are to fade over a training whose length nobody knows.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        anneal: tuple[float, float] | None = None,
        seed: int = 0,
        progress: Callable[[int], float] | None = None,
    ) -> None:
        if anneal is not None and progress is None:
            raise ConfigError(
                "anneal fades maps in the course of a training, and its length is not known; give total_steps= (the "
                "number of batches that will be bound), or change anneal (--guide_anneal) to off"
            )
        self._dropout, self._anneal, self._seed, self._progress = dropout, anneal, seed, progress
        self.steps = 0

    def apply(self, maps: Tensor, keys: Sequence[str], visits: Sequence[int]) -> Tensor:
        """The maps that G is to be given.

        Args:
            maps: ``(N, 1, h, w)``, float32 in [0, 1].
            keys: N keys; none where the loader yields none, then rows and batches are counted.
            visits: How often each of the keys was visited before.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1].
        """
        if self._dropout == 0 and self._anneal is None:
            return maps
        keys, visits = (keys, visits) if keys else (list(map(str, range(len(maps)))), [self.steps] * len(maps))
        return with_ones(maps, self._dropped(keys, visits), self._weight())

    def _dropped(self, keys: Sequence[str], visits: Sequence[int]) -> list[bool]:
        if self._dropout == 0:
            return [False] * len(keys)
        within: Counter[str] = Counter()  # an image may be in one batch twice: these are two visits
        dropped = []
        for key, visit in zip(keys, visits, strict=True):
            dropped.append(is_dropped(key, visit + within[key], self._dropout, self._seed))
            within[key] += 1
        return dropped

    def _weight(self) -> float:
        if self._anneal is None or self._progress is None:
            return 0.0
        return weight_of_ones(self._progress(self.steps), *self._anneal)
