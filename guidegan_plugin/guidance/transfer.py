"""Transfer block T: from the discriminator's resolution to the generator's input, shared by all pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn


class Transfer(nn.Module, ABC):
    """The transfer block T (section 3.1); a subclass with parameters is trained by G's loss."""

    name: ClassVar[str]

    @abstractmethod
    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps to the size of G's input.

        Args:
            maps: ``(N, 1, h, w)``, floating point in [0, 1], detached.
            size: Height and width.

        Returns:
            ``(N, 1, H, W)``, in [0, 1].
        """


class BilinearTransfer(Transfer):
    """Bilinear up-sampling, no parameters (appendix A)."""

    name: ClassVar[str] = "bilinear"

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps ``(N, 1, h, w)`` to ``(N, 1, H, W)``; see :class:`Transfer`."""
        if maps.shape[-2:] == size:
            return maps
        if maps.shape[-2:] == (1, 1):  # the placeholder: interpolated, ones would be off by rounding
            return maps.expand(-1, -1, *size)
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
