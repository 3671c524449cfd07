"""Attention mechanisms: what falls out of a discriminator while it judges. Post-hoc attention, equation (2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.guidance.attention.signals import Reading, edge_of, find_signal, normalises_by_batch
from guidegan_plugin.guidance.calls.copy_safe import Hook
from guidegan_plugin.guidance.layers import find_layers, normalisation_behind


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


def average(maps: Sequence[Tensor]) -> Tensor:
    """One map of several scales: each at the size of the largest, averaged, and stretched again.

    Args:
        maps: ``(N, 1, h, w)`` each, in [0, 1], at least one.

    Returns:
        ``(N, 1, h, w)`` of the largest, in [0, 1]; the one map itself where there is no other.
    """
    if not maps[1:]:
        return maps[0]
    size = max((one.shape[-2:] for one in maps), key=lambda size: size[0] * size[1])
    enlarged = [F.interpolate(one, size, mode="bilinear", align_corners=False) for one in maps]
    return min_max(torch.stack(enlarged).mean(0))


class Attention(ABC):
    """One way to read attention off a discriminator, which goes on answering as before.

    The tap on the discriminator sets ``listening`` before each call: a mechanism records only while it is set. One
    with ``needs_gradient`` reads the graph of that call, which the tap then sees to when it looks.
    """

    name: ClassVar[str]
    changes_prediction: ClassVar[bool] = False
    needs_gradient: bool = False
    listening: bool = False

    @classmethod
    @abstractmethod
    def from_config(cls, config: GuideConfig) -> Attention:
        """Build the mechanism for one discriminator."""

    @abstractmethod
    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Register what it needs inside a discriminator.

        Hooks must be :class:`~guidegan_plugin.guidance.calls.copy_safe.Hook`, so that copies of the network are
        harmless.

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

    def forget(self) -> None:
        """Stop listening, and let go of what was recorded of a call that never came to its end."""
        self.listening = False

    def networks(self) -> dict[str, nn.Module]:
        """New networks this mechanism trains, by name; the guide appends the pair's."""
        return {}

    def call_through(self, networks: Mapping[str, nn.Module]) -> None:  # noqa: B027 - optional
        """Call new networks, by their names in :meth:`networks`, through what the host wrapped them in (DDP)."""

    @property
    def place(self) -> str:
        """Where it reads, in words."""
        return self.name


class PostHocAttention(Attention):
    """Post-hoc attention, ``A = g(1/C * sum_c |a_t,c|)``, equation (2), or the same with gradients in place of ``a_t``.

    ``signal="gradient"`` takes ``d score / d a_t`` for ``a_t``, and ``"gradcam"`` ``g(ReLU(sum_c w_c * a_t,c))`` with
    ``w_c`` the mean of that gradient over space. The score is D's prediction, summed over patches and scales. Where a
    normalisation by the batch follows the layer, ``w_c`` is zero in front of it, so gradcam reads behind it.

    Several layers, and several passes through one layer in a call of D (scales), give one map each, averaged.

    Args:
        layer: Convolution t counted from 1, a dotted module path, or several of them separated by commas.
        tap: ``"conv"`` or ``"activation"``.
        border: Outer rings to replace.
        signal: ``"activation"``, ``"gradient"`` or ``"gradcam"``.

    Raises:
        ConfigError: If the signal is unknown.
    """

    name: ClassVar[str] = "pha"

    def __init__(self, layer: int | str = 4, tap: str = "conv", border: int = 0, signal: str = "activation") -> None:
        self._signal = find_signal(signal)
        self.needs_gradient = self._signal.weigh is not None
        self._layer, self._tap, self._border = layer, tap, border
        # By the index of the device, since DataParallel's replicas share us; then in the order of passes.
        self._readings: dict[int | None, list[Reading]] = {}
        self._devices: Sequence[int | None] = ()
        self._place = f"layer {layer}"

    @classmethod
    def from_config(cls, config: GuideConfig) -> PostHocAttention:
        """Build it from ``signal``, ``layer``, ``tap`` and ``border``.

        Raises:
            ConfigError: As the class.
        """
        return cls(config.layer, config.tap, config.border_rings, config.signal)

    @property
    def place(self) -> str:
        """The tapped layer's dotted path and kind, once attached."""
        return self._place

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Listen to the chosen layers.

        Raises:
            ConfigError: If there is no such layer.
        """
        layers = find_layers(discriminator, self._layer, self._tap)
        self._place = ", ".join(f"{path} ({type(module).__name__})" for path, module in layers)
        self._devices = discriminator.device_ids if isinstance(discriminator, nn.DataParallel) else ()
        handles = [module.register_forward_hook(self._hook(self._record)) for _, module in layers]
        behind = [normalisation_behind(discriminator, path) for path, _ in layers] if self._signal.needs_mean else []
        for path, module in filter(None, behind):
            self._place += f", normalised by {path} ({type(module).__name__})"
            handles.append(module.register_forward_hook(self._hook(self._record_normalised)))
        return handles

    def _hook(self, act: Callable[..., None]) -> Hook:
        # Inside a compiled graph a layer's output has no node of its own; a reduction may well be computed there.
        # torch has no types here
        return Hook(torch.compiler.disable(act) if self.needs_gradient else act)  # type: ignore[no-untyped-call]

    def _record(self, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        # Read right here: an in-place activation may overwrite the layer's output a moment later.
        if self.listening:
            self._readings.setdefault(output.device.index, []).append(self._signal.read(output))

    def _record_normalised(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        readings = self._readings.get(output.device.index)
        if not self.listening or not readings or not normalises_by_batch(module):
            return
        before, given = readings[-1].edge, edge_of(args[0])
        if before is not None and given is not None and before.node is given.node:
            readings[-1] = self._signal.read(output)

    def forget(self) -> None:
        """Stop listening, and let go of what was recorded, and of its graph."""
        super().forget()
        self._readings = {}

    def take_maps(self, prediction: object) -> Tensor | None:
        """The map of the call just made, ``(N, 1, h, w)``, float32 in [0, 1], detached.

        Raises:
            ConfigError: If the signal needs a gradient and none flows from the prediction to the layer.
        """
        readings, self._readings = self._readings, {}
        owners = [device for device, part in readings.items() for _ in part]
        signals = self._signal.finish([reading for part in readings.values() for reading in part], prediction)
        parts: dict[int | None, list[Tensor]] = {}
        for device, signal in zip(owners, signals, strict=bool(signals)):
            parts.setdefault(device, []).append(signal)
        scales = [
            in_batch_order(dict(zip(parts, scale, strict=True)), self._devices)
            for scale in zip(*parts.values(), strict=True)
        ]
        return average([min_max(replace_border(scale, self._border)) for scale in scales]) if scales else None
