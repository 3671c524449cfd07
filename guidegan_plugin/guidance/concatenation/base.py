"""What a concatenation is: how the transferred map enters the generator's input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.configurable import Configurable


class Concatenation(Configurable, ABC):
    """One way to blend a map into an image. One object serves one generator.

    Attributes:
        preview_text: What :meth:`preview` shows, in words, for a page's legend.
        weighs: Whether the map of a judgement weighs the gradient that comes back from it (:meth:`gradient_weights`).
        ignores: Fields of the config that have no effect with it, which is said of those that are set.
    """

    preview_text: ClassVar[str] = ""
    weighs: ClassVar[bool] = False
    ignores: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """Concatenate x with T(A).

        Args:
            images: ``(N, C, H, W)``, in [-1, 1].
            maps: ``(N, 1, H, W)``, in [0, 1].

        Returns:
            ``(N, C', H, W)``, the dtype of ``images``, a new tensor; ``images`` itself where the input is left alone.
        """

    def blend_ones(self, images: Tensor, ones: Tensor) -> Tensor:
        """Concatenate x with the placeholder, as test time and other passes do; override it where that takes less.

        Args:
            images: ``(N, C, H, W)``, in [-1, 1].
            ones: ``(N, 1, H, W)``, all ones.

        Returns:
            What :meth:`blend` returns, bit for bit.
        """
        return self.blend(images, ones)

    def blend_part(self, images: Tensor, maps: Tensor, channels: tuple[int, int]) -> Tensor:
        """Concatenate where labels or noise were joined to the image before the generator was called.

        Args:
            images: ``(N, C, H, W)``.
            maps: ``(N, 1, H, W)``, in [0, 1].
            channels: From which channel to which the image stands.

        Returns:
            ``(N, C', H, W)``: the blended image, and what was joined to it as it was.
        """
        start, end = channels
        return torch.cat([images[:, :start], self.blend(images[:, start:end], maps), images[:, end:]], dim=1)

    def without_map(self, images: Tensor) -> Tensor:
        """What the generator gets where the input is to be left alone (``cycle=off``)."""
        return images

    def gradient_weights(self, maps: Tensor) -> Tensor:
        """By what the adversarial gradient at the discriminator's input is multiplied, where ``weighs``.

        Args:
            maps: T(A), ``(N, 1, H, W)``, in [0, 1].

        Returns:
            ``(N, 1, H, W)``, or what can be broadcast to that.
        """
        return torch.ones_like(maps)

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor | None:
        """The blended input as a screen can show it; by default it is not shown.

        Args:
            images: ``(N, C, H, W)``, floating point, in a training's range, such as [-1, 1].
            maps: ``(N, 1, H, W)``, floating point in [0, 1].
            gray: The middle of that range.

        Returns:
            ``(N, C, H, W)``, in the images' range, or None.
        """
        return None

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
        """Fold the map of ones, which test time blends in, into the generator's first convolution.

        Args:
            weight: ``(out, in, kh, kw)``, of the convolution that reads the blended images.
            channels: Of the images.

        Returns:
            The weight of a convolution that reads the images, ``(out, channels, kh, kw)``; and what belongs into its
            bias, ``(out,)``, float64, which holds only where the convolution pads with what is there, or None.

        Raises:
            ConfigError: If that would not be exact; the message says why.
        """
        raise ConfigError(f"concat={self.name} cannot be baked: it does not say how it folds into a convolution")

    def adapt(self, generator: nn.Module, optimizers: Iterable[Optimizer] = ()) -> None:
        """Make the generator take what :meth:`blend` returns; once, and undone by :meth:`restore`."""

    def follow(self, optimizers: Iterable[Optimizer]) -> None:
        """Know of optimizers that may hold, or be given, state of weights that :meth:`adapt` changed."""

    def restore(self) -> None:
        """Undo :meth:`adapt`; harmless without it."""

    @property
    def adapted(self) -> bool:
        """Whether the generator's weights have another shape than the host's, by :meth:`adapt`."""
        return False

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        return self.name
