"""The map weighs the gradient that the generator learns from; the input is left alone (ours, not the paper's)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.guidance.concatenation.base import Concatenation


class WeighedGradient(Concatenation):
    """``g' = (1 + s T(A)) / mean(1 + s T(A)) * g`` of the adversarial gradient g at the discriminator's input.

    A is the map of the very judgement that g comes from, so no map is missing at test time, and none is old. The mean
    over an image's places leaves the gradient's size about as it was; ``s`` is ``strength``.
    """

    name: ClassVar[str] = "gradient"
    preview_text: ClassVar[str] = "the input as it is; the map weighs the gradient"
    weighs: ClassVar[bool] = True
    ignores: ClassVar[tuple[str, ...]] = ("init", "cycle", "align", "dropout", "anneal")  # of maps that are blended

    def __init__(self, strength: float = 1.0) -> None:
        self._strength = strength

    @classmethod
    def from_options(cls, options: Any, config: GuideConfig) -> WeighedGradient:
        """With the config's ``strength``."""
        return cls(config.strength)

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """The images themselves, ``(N, C, H, W)``."""
        return images

    def blend_part(self, images: Tensor, maps: Tensor, channels: tuple[int, int]) -> Tensor:
        """The images themselves, with what was joined to them."""
        return images

    def gradient_weights(self, maps: Tensor) -> Tensor:
        """``(1 + s T(A)) / mean(1 + s T(A))``, ``(N, 1, H, W)``; its mean over an image is 1."""
        weights = 1 + self._strength * maps
        return weights / weights.mean((2, 3), keepdim=True)

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        """The images themselves."""
        return images

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, None]:
        """The weight itself: the generator reads plain images already."""
        return weight, None

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        return "nowhere into the input: it weighs the gradient that comes back from the discriminator"
