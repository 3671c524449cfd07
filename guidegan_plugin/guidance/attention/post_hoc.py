"""Post-hoc attention, equation (2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.maps import average, in_batch_order, min_max, replace_border
from guidegan_plugin.guidance.attention.signals import Reading, edge_of, find_signal, normalises_by_batch
from guidegan_plugin.guidance.calls.copy_safe import Hook
from guidegan_plugin.guidance.layers import find_layers, normalisation_behind
from guidegan_plugin.utils.options import NoOptions

if TYPE_CHECKING:
    from typing_extensions import Self


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
    map_options: ClassVar[tuple[str, ...]] = ("signal", "layer", "tap", "border")

    def __init__(self, layer: int | str = 4, tap: str = "conv", border: int = 0, signal: str = "activation") -> None:
        self._signal = find_signal(signal)
        self.needs_gradient = self._signal.weigh is not None
        self._layer, self._tap, self._border = layer, tap, border
        # By the index of the device, since DataParallel's replicas share us; then in the order of passes.
        self._readings: dict[int | None, list[Reading]] = {}
        self._devices: Sequence[int | None] = ()
        self._place = f"layer {layer}"

    @classmethod
    def from_options(cls, options: NoOptions, config: GuideConfig) -> Self:
        """Build it from the config's ``signal``, ``layer``, ``tap`` and ``border``.

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
        return Hook(torch.compiler.disable(act) if self.needs_gradient else act)

    def _record(self, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        # Read right here: an in-place activation may overwrite the layer's output a moment later.
        if self.listening:
            if not isinstance(output, Tensor) or output.dim() != 4:
                raise self._refusal(module, output)
            self._readings.setdefault(output.device.index, []).append(self._signal.read(output))

    def _refusal(self, module: nn.Module, output: object) -> ConfigError:
        found = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        return ConfigError(
            f"layer {self._layer!r} ({type(module).__name__}) returns {found}, expected activations (N, C, h, w); "
            "change layer (--guide_layer) to one whose output is an image, such as a convolution"
        )

    def _record_normalised(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        readings = self._readings.get(output.device.index)
        if not self.listening or not readings or not normalises_by_batch(module):
            return
        before, given = readings[-1].edge, edge_of(args[0])
        if before is not None and given is not None and before.node is given.node:
            readings[-1] = self._signal.read(output)

    def forget(self) -> None:
        """Stop listening, and let go of what was recorded, and of its graph."""
        self.listening, self._readings = False, {}

    def take_maps(self, prediction: object) -> Tensor | None:
        """The map of the call just made, ``(N, 1, h, w)``, float32 in [0, 1], detached.

        Raises:
            ConfigError: If the signal needs a gradient and none flows from the prediction to the layer.
        """
        readings, self._readings = self._readings, {}
        signals = self._signal.finish(list(itertools.chain.from_iterable(readings.values())), prediction)
        if not signals:
            return None
        following, parts = iter(signals), []  # one device's signals after the other's
        for part in readings.values():
            parts.append(list(itertools.islice(following, len(part))))
        maps = []
        for scale in zip(*parts, strict=True):
            signal = in_batch_order(dict(zip(readings, scale, strict=True)), self._devices)
            maps.append(min_max(replace_border(signal, self._border)))
        return average(maps)
