"""Attention mechanisms: what falls out of a discriminator while it judges. Post-hoc attention, equation (2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.hooks import Hook
from guidegan_plugin.guidance.layers import find_layer


def mean_magnitude(activation: Tensor) -> Tensor:
    """Mean over channels of the magnitude, the sum of equation (2).

    Args:
        activation: ``(N, C, h, w)``, floating point; left as it is.

    Returns:
        ``(N, 1, h, w)``, float32, detached.
    """
    wide = torch.promote_types(activation.dtype, torch.float32)  # half precision would round the sum
    total: Tensor = torch.linalg.vector_norm(activation.detach(), ord=1, dim=1, keepdim=True, dtype=wide)
    return total.float() / activation.shape[1]


def replace_border(signal: Tensor, rings: int) -> Tensor:
    """Replace outer rings by their inner neighbour: zero padding makes them the brightest spot of an activation.

    Args:
        signal: ``(N, 1, h, w)``.
        rings: How many; a signal too small to have an inside is returned as it is.

    Returns:
        ``(N, 1, h, w)``.
    """
    if rings == 0 or min(signal.shape[-2:]) <= 2 * rings:
        return signal
    inside = signal[..., rings:-rings, rings:-rings]
    return F.pad(inside, (rings, rings, rings, rings), mode="replicate")


def min_max(signal: Tensor) -> Tensor:
    """Min-max normalisation, g of equation (2): each sample stretched to [0, 1] by itself.

    Args:
        signal: ``(N, 1, h, w)``, floating point.

    Returns:
        ``(N, 1, h, w)``, the dtype of ``signal``, finite, in [0, 1]; all ones (the placeholder) for a sample without
        range: constant up to rounding, or not finite.
    """
    low, high = signal.amin((1, 2, 3), keepdim=True), signal.amax((1, 2, 3), keepdim=True)
    spread = high - low
    # NaN and infinity fail the comparison too, so one condition serves all samples without a range.
    usable = (spread > 4 * torch.finfo(signal.dtype).eps * high.abs()) & spread.isfinite()
    stretched = (signal - low) / torch.where(usable, spread, 1)
    return torch.where(usable, stretched, 1).clamp_(0, 1)


def in_batch_order(parts: Mapping[int | None, Tensor], devices: Sequence[int | None]) -> Tensor:
    """Join what the replicas of ``torch.nn.DataParallel`` recorded, on the first device.

    Args:
        parts: ``(n, ...)`` by device index, at least one.
        devices: Device indices in the order the batch was scattered over them.

    Returns:
        ``(N, ...)``; the one part itself where there is no other.
    """
    ordered = [parts[device] for device in devices if device in parts] or list(parts.values())
    return torch.cat([part.to(ordered[0].device, non_blocking=True) for part in ordered]) if ordered[1:] else ordered[0]


class Attention(ABC):
    """One way to read attention off a discriminator, which goes on answering as before.

    The tap on the discriminator sets ``listening`` before each call: a mechanism records only while it is set.
    """

    name: ClassVar[str]
    changes_prediction: ClassVar[bool] = False
    listening: bool = False

    @classmethod
    @abstractmethod
    def from_config(cls, config: GuideConfig) -> Attention:
        """Build the mechanism for one discriminator."""

    @abstractmethod
    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Register what it needs inside a discriminator.

        Hooks must be :class:`~guidegan_plugin.guidance.hooks.Hook`, so that copies of the network are harmless.

        Raises:
            ConfigError: If the discriminator has no such layer.
        """

    @abstractmethod
    def take_maps(self, prediction: object) -> Tensor | None:
        """Maps of the call just made, and forget it.

        Args:
            prediction: What the discriminator answered.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1], detached; None if the call did not pass the layer.
        """

    def networks(self) -> dict[str, nn.Module]:
        """New networks this mechanism trains, by name."""
        return {}

    @property
    def place(self) -> str:
        """Where it reads, in words."""
        return self.name


class PostHocAttention(Attention):
    """Post-hoc attention from the forward activation of one layer: ``A = g(1/C * sum_c |a_t,c|)``, equation (2).

    Args:
        layer: Convolution t counted from 1, or a dotted module path.
        tap: ``"conv"`` or ``"activation"``.
        border: Outer rings to replace.
    """

    name: ClassVar[str] = "pha"

    def __init__(self, layer: int | str = 4, tap: str = "conv", border: int = 0) -> None:
        self._layer, self._tap, self._border = layer, tap, border
        self._signals: dict[int | None, Tensor] = {}  # by the index of the device: DataParallel's replicas share us
        self._devices: Sequence[int | None] = ()
        self._place = f"layer {layer}"

    @classmethod
    def from_config(cls, config: GuideConfig) -> PostHocAttention:
        """Build it from ``signal``, ``layer``, ``tap`` and ``border``.

        Raises:
            ConfigError: If the signal is unknown.
        """
        if config.signal != "activation":
            raise ConfigError(
                f"signal {config.signal!r} is unknown, known are: activation; change signal (--guide_signal)"
            )
        return cls(config.layer, config.tap, config.border_rings)

    @property
    def place(self) -> str:
        """The tapped layer's dotted path and kind, once attached."""
        return self._place

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Listen to the chosen layer.

        Raises:
            ConfigError: If there is no such layer.
        """
        path, module = find_layer(discriminator, self._layer, self._tap)
        self._place = f"{path} ({type(module).__name__})"
        self._devices = discriminator.device_ids if isinstance(discriminator, nn.DataParallel) else ()
        return [module.register_forward_hook(Hook(self._record))]

    def _record(self, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        # Reduced right here: an in-place activation may overwrite the layer's output a moment later.
        if self.listening:
            self._signals[output.device.index] = mean_magnitude(output)

    def take_maps(self, prediction: object) -> Tensor | None:
        """The map of the call just made, ``(N, 1, h, w)``, float32 in [0, 1], detached."""
        signals, self._signals = self._signals, {}
        if not signals:
            return None
        return min_max(replace_border(in_batch_order(signals, self._devices), self._border))
