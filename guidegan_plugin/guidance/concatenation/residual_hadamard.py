"""Residual Hadamard product, equation (4)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.concatenation.base import Concatenation


class ResidualHadamard(Concatenation):
    """Residual Hadamard product, ``x' = (T(A) + 1) * x``, equation (4)."""

    name: ClassVar[str] = "rhp"
    preview_text: ClassVar[str] = "(A + 1) / 2 · x of input x and map A, half of the residual Hadamard product"

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """``(T(A) + 1) * x``, ``(N, C, H, W)``."""
        return torch.addcmul(images, images, maps.to(images.dtype))

    def blend_ones(self, images: Tensor, ones: Tensor) -> Tensor:
        """``(1 + 1) * x``, exact in floating point: one operation forward and one backward."""
        return images * 2 if type(self).blend is ResidualHadamard.blend else self.blend(images, ones)

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        """Half of what is blended, ``(T(A) + 1) / 2 * x``: with half its contrast where the map is 0."""
        return self.blend(images, maps) / 2

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, None]:
        """Fold ``x' = (1 + 1) * x``: ``conv(2x; W) = conv(x; 2W)``, exact in floating point.

        The bias stays, and so does any padding that commutes with a factor: zeros, reflection, replication.

        Raises:
            ConfigError: Of a subclass that blends otherwise and does not say how that folds.
        """
        if type(self).blend is not ResidualHadamard.blend:
            raise ConfigError(
                f"concat={self.name} cannot be baked: it blends otherwise than {ResidualHadamard.name}, from which "
                "it derives, and has no bake"
            )
        return 2 * weight, None

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        return "multiplied onto the input image: x' = (T(A) + 1) * x"
