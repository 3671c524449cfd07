"""Alpha channel, equation (5): the generator's first convolution is widened by one channel."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.layers import convolutions

_log = logging.getLogger(__name__)


class AlphaChannel(Concatenation):
    """Alpha channel, ``x' = [x, T(A)]``, equation (5); one-channel images are repeated to RGB.

    The generator's first convolution is widened in place with zero weights, so at step 0 it computes what it did.
    """

    name: ClassVar[str] = "alpha"
    preview_text: ClassVar[str] = "the input with the map as its opacity (alpha channel), over gray"

    def __init__(self) -> None:
        self._convolution: nn.Conv2d | None = None
        self._path = ""
        self._channels = 0
        self._optimizers: tuple[Optimizer, ...] = ()
        self._loading: RemovableHandle | None = None

    def __reduce__(self) -> tuple[type[AlphaChannel], tuple[()]]:
        # A pickled generator carries one along: how to blend, not what was adapted.
        return type(self), ()

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """``[x, T(A)]``, ``(N, C + 1, H, W)``."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        return torch.cat([images, maps.to(images.dtype)], dim=1)

    def without_map(self, images: Tensor) -> Tensor:
        """The image with an alpha channel of zeros."""
        return self.blend(images, images.new_zeros(len(images), 1, *images.shape[-2:]))

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        """The image with the map as its opacity, over gray."""
        return maps * images + (1 - maps) * gray

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        """Fold ``x' = [x, 1]``: ``conv([x, 1]; W) = conv(x; W') + c``, equal to a rounding.

        One channel was repeated to RGB, so its weights are summed.
        """
        images, alpha = weight[:, :-1], weight[:, -1]
        if channels == 1:
            images = images.double().sum(1, keepdim=True).to(weight.dtype)
        return images.clone(), alpha.sum((1, 2), dtype=torch.float64)

    def adapt(self, generator: nn.Module, optimizers: Iterable[Optimizer] = ()) -> None:
        """Widen the first convolution.

        Args:
            generator: The generator, wrapped or not; not yet compiled.
            optimizers: Optimizers that may already hold state of the weight, which is widened too.

        Raises:
            ConfigError: If there is no convolution to widen.
        """
        found = convolutions(generator)
        if not found or found[0][1].groups != 1:
            raise ConfigError(
                f"concat=alpha widens the first convolution and {type(generator).__name__} has none that can be "
                "widened; change concat (--guide_concat rhp)"
            )
        _refuse_computed(*found[0])
        self._path, self._convolution = found[0]
        self._optimizers = tuple(optimizers)
        before = _widening_of(self._convolution)
        if before is not None:  # a copy of a guided generator, or one that several pairs have
            self._channels = before.channels
            return
        self._channels = self._convolution.in_channels
        width = _alpha_width(self._channels)
        _set_width(self._convolution, width, self._optimizers)
        register = cast(Callable[[object], RemovableHandle], self._convolution.register_load_state_dict_pre_hook)
        self._loading = register(_WidenOnLoad(self._channels, width))

    def restore(self) -> None:
        """Narrow the first convolution to what it was."""
        if self._convolution is not None and self._loading is not None:
            self._loading.remove()
            _set_width(self._convolution, self._channels, self._optimizers)
        self._convolution = self._loading = None

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        channels = f", {self._path} widened from {self._channels} to {_alpha_width(self._channels)} channels"
        return "as an alpha channel: x' = [x, T(A)]" + (channels if self._convolution is not None else "")


def _widening_of(convolution: nn.Conv2d) -> _WidenOnLoad | None:
    """How a convolution was widened before, None where it was not."""
    hooks = [getattr(hook, "hook", hook) for hook in convolution._load_state_dict_pre_hooks.values()]
    return next((hook for hook in hooks if isinstance(hook, _WidenOnLoad)), None)


def _refuse_computed(path: str, convolution: nn.Conv2d) -> None:
    """Refuse a weight that is computed from others at each call: there is no parameter of its shape to widen."""
    if not isinstance(convolution._parameters.get("weight"), nn.Parameter):
        raise ConfigError(
            f"concat=alpha widens the first convolution, and the weight of {path or 'it'} is computed (spectral "
            "or weight norm); change concat (--guide_concat rhp)"
        )


def _alpha_width(channels: int) -> int:
    """Channels of [x, T(A)] for images of so many channels."""
    return (3 if channels == 1 else channels) + 1


def _fit(weight: Tensor, width: int) -> Tensor:
    """A weight ``(out, in, kh, kw)`` with so many input channels: cut, or padded with zeros."""
    fitted = weight.new_zeros(weight.shape[0], width, *weight.shape[2:])
    kept = min(width, weight.shape[1])
    fitted[:, :kept] = weight[:, :kept]
    return fitted


def _set_width(convolution: nn.Conv2d, width: int, optimizers: tuple[Optimizer, ...]) -> None:
    weight = convolution.weight
    shape = weight.shape
    # .data keeps the Parameter object, so an optimizer that was given it goes on holding it.
    weight.data = _fit(weight.data, width)
    if weight.grad is not None:
        weight.grad = _fit(weight.grad, width)
    for optimizer in optimizers:
        state: dict[str, Any] = optimizer.state.get(weight, {})
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == shape:
                state[name] = _fit(value, width)
    convolution.in_channels = width


@dataclass(frozen=True)
class _WidenOnLoad:
    """Pads a checkpoint of the host's width while it is loaded; holds no state, so copies are harmless."""

    channels: int
    width: int

    def __call__(self, module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
        weight = state_dict.get(f"{prefix}weight")
        if weight is None or weight.shape[1] == self.width:
            return
        if weight.shape[1] != self.channels:
            raise StoreError(
                f"the checkpoint's first convolution takes {weight.shape[1]} channels, expected {self.channels} (the "
                f"host's) or {self.width} (with alpha); change the generator's input channels, or load another one"
            )
        _log.warning("%sweight of a host checkpoint padded with a zero alpha channel", prefix)
        state_dict[f"{prefix}weight"] = _fit(weight, self.width)
