"""What monitors hear of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class StepReport:
    """One finished visit of one pair; tensors are detached, on their device, and must not be written to.

    Attributes:
        pair: Name of the pair.
        step: Visits of the pair since it was attached, from 1.
        keys: One key per image.
        images: Source images ``(N, C, H, W)``.
        maps: What the discriminator looked at in this visit, ``(N, 1, h, w)``, float32 in [0, 1].
        blended: Maps that went into the generator, ``(N, 1, h, w)``, float32 in [0, 1].
        output: What the generator made, ``(N, C', H, W)``.
    """

    pair: str
    step: int
    keys: tuple[str, ...]
    images: Tensor
    maps: Tensor
    blended: Tensor
    output: Tensor


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of one pair.

    Attributes:
        pair: Name of the pair.
        epoch: Epochs of the pair since it was attached, from 1.
        statistics: As ``Guide.statistics()``.
    """

    pair: str
    epoch: int
    statistics: Mapping[str, float]
