"""Refinement at test time (ours, not the paper's): translate with ones, let D look, translate again."""

from __future__ import annotations

from torch import Tensor


class Refinement:
    """When to stop translating one batch again, and with which maps it came out best.

    Args:
        passes: How many times to translate again, at most.

    Attributes:
        maps: ``(N, 1, h, w)``, float32 in [0, 1], what G is to be given in the next translation; None for the
            placeholder. Once ``done``, those of the best one.
        scores: D's score of each translation so far, the one with the placeholder first.
        done: Whether the score no longer rose, or all passes are used up.
    """

    def __init__(self, passes: int) -> None:
        self._passes = passes
        self._best: Tensor | None = None
        self.maps: Tensor | None = None
        self.scores: list[float] = []
        self.done = False

    @property
    def kept(self) -> int:
        """Index among the scores of the translation that is kept."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    def judge(self, score: float, maps: Tensor) -> None:
        """Take in what D said of the translation that was made with ``self.maps``.

        Args:
            score: How real D finds it.
            maps: ``(N, 1, h, w)``, float32 in [0, 1], where D looked.
        """
        rose = not self.scores or score > max(self.scores)
        self.scores.append(score)
        if rose:
            self._best = self.maps
        self.done = not rose or len(self.scores) > self._passes
        self.maps = self._best if self.done else maps
