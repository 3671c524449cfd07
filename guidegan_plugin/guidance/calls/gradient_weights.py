"""Weighs the gradient that comes back from one judgement, place by place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

WeightsOf = Callable[[Tensor, tuple[int, int]], Tensor]
"""From maps ``(N, 1, h, w)`` and a size to weights ``(N, 1, H, W)``."""


def weights_by(weights_of: Callable[[Tensor], Tensor], transfer: nn.Module) -> WeightsOf:
    """From maps to weights: T, then what a concatenation says."""
    return lambda maps, size: weights_of(transfer(maps, size))


class WeighedInput:
    """What the discriminator is given in place of a fake: the same values, and a gradient that can be weighed.

    Only what comes back through this very call is weighed: other losses reach the fake elsewhere.

    Args:
        images: ``(N, C, H, W)``, with a gradient.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images.view_as(images)
        self._weights: Tensor | None = None
        self.images.register_hook(self._weighed)

    def weigh(self, maps: Tensor, rows: list[bool], weights_of: WeightsOf) -> None:
        """Say where the discriminator looked, which is known once it has judged.

        Args:
            maps: ``(N, 1, h, w)``, in [0, 1], one a row of the images.
            rows: Which of the images are fakes that guide; the gradient of others stays.
            weights_of: Makes weights of maps.
        """
        weights = weights_of(maps.detach(), (self.images.shape[-2], self.images.shape[-1])).detach()
        if not all(rows):
            guides = torch.tensor(rows, device=weights.device).view(-1, 1, 1, 1)
            weights = torch.where(guides, weights, torch.ones_like(weights))
        self._weights = weights

    def _weighed(self, gradient: Tensor) -> Tensor:
        return gradient if self._weights is None else gradient * self._weights.to(gradient.dtype)
