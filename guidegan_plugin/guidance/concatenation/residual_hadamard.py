"""Residual Hadamard product, equation (4)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from guidegan_plugin.guidance.concatenation.base import Concatenation


class ResidualHadamard(Concatenation):
    """Residual Hadamard product, ``x' = (T(A) + 1) * x``, equation (4)."""

    name: ClassVar[str] = "rhp"

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """``(T(A) + 1) * x``, ``(N, C, H, W)``."""
        return torch.addcmul(images, images, maps.to(images.dtype))

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        return "multiplied onto the input image: x' = (T(A) + 1) * x"
