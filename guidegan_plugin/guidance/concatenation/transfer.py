"""Transfer block T: from the discriminator's resolution to the generator's input, shared by all pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidegan_plugin.guidance.configurable import Configurable


class Transfer(Configurable, nn.Module, ABC):
    """The transfer block T (section 3.1); a subclass with parameters is trained by G's loss.

    Attributes:
        keeps_ones: Whether a map of ones stays a map of ones, so that what test time blends in is known.
    """

    keeps_ones: ClassVar[bool] = False

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
    keeps_ones: ClassVar[bool] = True

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps ``(N, 1, h, w)`` to ``(N, 1, H, W)``; see :class:`Transfer`."""
        if maps.shape[-2:] == size:
            return maps
        if maps.shape[-2:] == (1, 1):  # the placeholder: interpolated, ones would be off by rounding
            return maps.expand(-1, -1, *size)
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


class ConvTransfer(Transfer):
    """A 3-layer network behind the up-sampling (appendix A), trained by G's loss through G's optimizer.

    It convolves at the image's size, so the placeholder of one cell goes through it like any map; borders are padded
    by what is there, so a constant map, such as the placeholder, stays constant.

    Args:
        channels: Between the layers; few, since each is as large as the image.
    """

    name: ClassVar[str] = "conv"

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.upsampling = BilinearTransfer()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, 1, 3, padding=1, padding_mode="replicate"),
        )

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring maps ``(N, 1, h, w)`` to ``(N, 1, H, W)``; see :class:`Transfer`."""
        # Not clamped: at exactly 1, where a clamp has no gradient, the layers would stop to learn.
        return torch.sigmoid(self.layers(self.upsampling(maps, size)))
