"""Residual Hadamard product, equation (4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.concatenation.base import Concatenation

if TYPE_CHECKING:
    from typing_extensions import Self


class ResidualHadamard(Concatenation):
    """Residual Hadamard product, ``x' = (T(A) + 1) * x``, equation (4).

    Attributes:
        strength: Ours: s in ``x' = (s T(A) + 1) * x``; 1 is the paper's.
    """

    name: ClassVar[str] = "rhp"
    preview_text: ClassVar[str] = "(A + 1) / 2 · x of input x and map A, half of the residual Hadamard product"

    strength: float = 1.0

    @classmethod
    def from_options(cls, options: Any, config: GuideConfig) -> Self:
        """With the config's ``strength``."""
        made = super().from_options(options, config)
        made.strength = config.strength
        return made

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """``(s T(A) + 1) * x``, ``(N, C, H, W)``."""
        return torch.addcmul(images, images, maps.to(images.dtype), value=self.strength)

    def blend_ones(self, images: Tensor, ones: Tensor) -> Tensor:
        """``(1 + 1) * x``, exact in floating point: one operation forward and one backward."""
        plain = type(self).blend is ResidualHadamard.blend and self.strength == 1
        return images * 2 if plain else self.blend(images, ones)

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        """What is blended, scaled to the input's contrast where the map is 1: ``(T(A) + 1) / 2 * x``."""
        return self.blend(images, maps) / (1 + max(self.strength, 0.0))

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, None]:
        """Fold ``x' = (s + 1) * x``: ``conv(2x; W) = conv(x; 2W)``, exact in floating point where s is 1.

        The bias stays, and so does any padding that commutes with a factor: zeros, reflection, replication.

        Raises:
            ConfigError: Of a subclass that blends otherwise and does not say how that folds.
        """
        if type(self).blend is not ResidualHadamard.blend:
            raise ConfigError(
                f"concat={self.name} cannot be baked: it blends otherwise than {ResidualHadamard.name}, from which "
                "it derives, and has no bake"
            )
        return (1 + self.strength) * weight, None

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        scale = "" if self.strength == 1 else f"{self.strength:g} "
        return f"multiplied onto the input image: x' = ({scale}T(A) + 1) * x"
