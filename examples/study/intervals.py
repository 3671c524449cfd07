"""Paired differences to the bare host, with bootstrap intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """Method minus bare host, seed by seed.

    Attributes:
        values: The differences, one a seed.
        mean: Their mean.
        low: Lower end of the interval of the mean; None with one seed.
        high: Upper end, likewise.
    """

    values: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None


def paired_difference(
    method: Sequence[float], bare: Sequence[float], resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Bootstrap the mean of paired differences: percentiles over resampled seeds.

    Args:
        method: Figures of the method, one a seed.
        bare: Figures of the bare host under the same seeds, in the same order.
        resamples: How often the seeds are drawn with replacement.
        seed: Of the drawing.
        level: Of the interval.

    Raises:
        ValueError: If there is no pair, or the two are not of one length.
    """
    if len(method) != len(bare) or not method:
        raise ValueError(f"expected pairs, got {len(method)} and {len(bare)} figures")
    values = np.asarray(method, dtype=np.float64) - np.asarray(bare, dtype=np.float64)
    low = high = None
    if len(values) > 1:
        from scipy.stats import bootstrap

        # Of pairs: each seed's two figures are drawn together, as their difference.
        drawn = bootstrap(
            (values,), np.mean, method="percentile", n_resamples=resamples, confidence_level=level, rng=seed
        )
        low, high = map(float, drawn.confidence_interval)
    return Difference(tuple(values.tolist()), float(values.mean()), low, high)


def worth(seeds: int) -> str:
    """What an interval over so few seeds is worth, in words."""
    if seeds == 1:
        return "One seed: there is no interval, and a difference may be nothing but another seed."
    chance = f"1 of {2 ** (seeds - 1)}"
    text = (
        f"Intervals resample the {seeds} paired differences. If a method did nothing, all {seeds} would still have one "
        f"sign by chance in {chance} studies."
    )
    if seeds <= 3:
        text += f" With {seeds} seeds such an interval is nearly the range of the differences, not 95 % certainty."
    return text + " Many figures are compared here, so some intervals miss zero by chance alone."
