"""Trainable attention module (TAM): a mask branch beside the trunk of a discriminator. Equation (3), appendix A.

The first convolution of the discriminator extracts features X, those behind it are the trunk T, and the last one
classifies. Hooks compute ``E = (M(X) + 1) * T(X)`` in between: the discriminator itself, and its checkpoint, stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.maps import in_batch_order
from guidegan_plugin.guidance.calls.copy_safe import Hook
from guidegan_plugin.guidance.layers import channels_behind, convolutions, find_layer
from guidegan_plugin.utils.options import option
from guidegan_plugin.utils.random_states import networks_of_our_own

if TYPE_CHECKING:
    from typing_extensions import Self

# Added inside the sigmoid; constants, so that the host's weight initialisation does not change them.
OFFSETS = {"paper": 0.0, "residual": -4.0}


def soft_mask(logits: Tensor, size: tuple[int, int], offset: float = 0.0) -> Tensor:
    """The last two layers of the mask branch: up-sampling, bilinear, to the trunk's size, and a sigmoid.

    Args:
        logits: ``(N, C, h', w')``.
        size: Height and width of the trunk's output.
        offset: Added inside the sigmoid.

    Returns:
        ``(N, C, h, w)``, in [0, 1].
    """
    return torch.sigmoid(F.interpolate(logits, size, mode="bilinear", align_corners=False) + offset)


def mean_mask(mask: Tensor) -> Tensor:
    """The map of equation (3), ``1/C * sum_c M_c(X)``; not stretched, since it has a scale of its own.

    Args:
        mask: ``(N, C, h, w)``, in [0, 1].

    Returns:
        ``(N, 1, h, w)``, float32 in [0, 1], detached; all ones (the placeholder) for a sample that is not finite.
    """
    maps = mask.detach().mean(1, keepdim=True, dtype=torch.float32)
    return torch.where(maps.sum((1, 2, 3), keepdim=True).isfinite(), maps, 1).clamp_(0, 1)


class _Norm(nn.InstanceNorm2d):
    """Instance norm, as the discriminator's own; it leaves alone what has one position, where it would raise."""

    def forward(self, features: Tensor) -> Tensor:
        return features if features.shape[-2:] == (1, 1) else super().forward(features)


class MaskBranch(nn.Module):
    """Two down-sampling convolutions and two more (appendix A); :func:`soft_mask` has the layers without weights.

    Args:
        features: Channels of X.
        channels: Channels of the trunk's output.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        first, second = min(2 * features, channels), max(channels // 2, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(features, first, 3, 2, 1),
            _Norm(first),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(first, second, 3, 2, 1),
            _Norm(second),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(second, second, 3, 1, 1),
            _Norm(second),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(second, channels, 3, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """From X ``(N, features, h, w)`` to logits ``(N, channels, h / 4, w / 4)``, in the precision of the weights."""
        logits: Tensor = self.layers(features.to(next(self.parameters()).dtype))
        return logits


@dataclass(frozen=True)
class TrainableOptions:
    """Options of the trainable attention module, ``tam_<field>``."""

    start: str = option("paper", "tam's mask at first: about 0.5, or near 0", "paper", "residual")
    features: str = option("auto", "D's module whose output tam's mask branch reads")
    trunk: str = option("auto", "D's module whose output tam's mask weighs")


class TrainableAttention(Attention):
    """Trainable attention module, ``E = (M(X) + 1) * T(X)``, equation (3); its map is the mean over channels of M.

    M works in every call of D, and is trained by D's loss; its weights are frozen whenever D's are. A copy of D
    (EMA) computes without M. Of several passes in one call of D the last gives the map.

    Args:
        features: Dotted path of the module whose output is X; ``"auto"`` for the activation behind convolution 1.
        trunk: Dotted path of the module that ends the trunk; ``"auto"`` for the activation behind the last
            convolution but one, or before that where several convolutions answer side by side.
        start: ``"paper"``, a mask about 0.5 at first, or ``"residual"``, near 0, so that D is at first what it was.
    """

    name: ClassVar[str] = "tam"
    Options: ClassVar[type[TrainableOptions]] = TrainableOptions
    map_options: ClassVar[tuple[str, ...]] = ()  # its own options say where it reads
    changes_prediction: ClassVar[bool] = True
    enters: ClassVar[bool] = True

    def __init__(self, features: str = "auto", trunk: str = "auto", start: str = "paper") -> None:
        self._features, self._trunk, self._offset = features, trunk, OFFSETS[start]
        self._branch: MaskBranch | None = None
        self._called: nn.Module | None = None  # the branch, or what the host wrapped it in
        # By the index of the device, since DataParallel's replicas share us.
        self._logits: dict[int | None, Tensor] = {}
        self._maps: dict[int | None, Tensor] = {}
        self._devices: Sequence[int | None] = ()
        self._place = "a mask branch"

    @classmethod
    def from_options(cls, options: TrainableOptions, config: GuideConfig) -> Self:
        """Build it from its own options.

        Raises:
            ConfigError: If the config asks for a signal, which only post-hoc attention has.
        """
        if config.signal != "activation":
            raise ConfigError(
                f"signal={config.signal} is for attention=pha: attention=tam reads its own mask branch; change signal "
                "(--guide_signal) or attention (--guide_attention)"
            )
        return cls(options.features, options.trunk, options.start)

    @property
    def place(self) -> str:
        """From where to where the mask branch reaches, once attached."""
        return self._place

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Put the mask branch between the features and the trunk's end; made once, whatever is attached to later.

        Raises:
            ConfigError: If the discriminator has no such places.
        """
        features, trunk = self._find(discriminator)
        if self._branch is None:
            widths = [channels_behind(discriminator, path) for path, _ in (features, trunk)]
            with networks_of_our_own():
                self._branch = MaskBranch(*widths).to(next(discriminator.parameters()).device)
            self._called = self._branch
        self._place = " to ".join(f"{path} ({type(module).__name__})" for path, module in (features, trunk))
        self._place = f"a mask branch from {self._place}"
        self._devices = discriminator.device_ids if isinstance(discriminator, nn.DataParallel) else ()
        return [
            features[1].register_forward_hook(Hook(self._read)),
            trunk[1].register_forward_hook(Hook(self._weigh)),
        ]

    def _find(self, discriminator: nn.Module) -> tuple[tuple[str, nn.Module], tuple[str, nn.Module]]:
        last = len(convolutions(discriminator))
        if "auto" in (self._features, self._trunk) and last < 3:
            raise ConfigError(
                f"tam needs a convolution for the features, some for the trunk and a last one, found {last}; change "
                "attention (--guide_attention), or tam_features and tam_trunk (--guide_tam_features, --guide_tam_trunk)"
            )
        places: list[tuple[str, nn.Module]] = []
        for name, path, number in (("tam_features", self._features, 1), ("tam_trunk", self._trunk, last - 1)):
            if path != "auto":
                places.append(find_layer(discriminator, path, "conv", name))
            else:
                places.append(_activation_behind(discriminator, number, name))
        return places[0], places[1]

    def enter(self, discriminator: nn.Module) -> None:
        """Freeze the mask branch whenever the discriminator is frozen."""
        trains = any(parameter.requires_grad for parameter in discriminator.parameters())
        for parameter in self._branch.parameters() if self._branch is not None else ():
            parameter.requires_grad_(trains)

    def _read(self, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        if self._called is not None:
            self._logits[output.device.index] = self._called(output)

    def _weigh(self, module: nn.Module, args: tuple[object, ...], output: Tensor) -> Tensor:
        logits = self._logits.pop(output.device.index, None)
        if logits is None:
            raise ConfigError(
                f"the trunk's end was reached before the features ({self._place}); change tam_features or tam_trunk "
                "(--guide_tam_features, --guide_tam_trunk)"
            )
        mask = soft_mask(logits, (output.shape[-2], output.shape[-1]), self._offset)
        if self.listening:
            self._maps[output.device.index] = mean_mask(mask)
        return torch.addcmul(output, output, mask.to(output))

    def take_maps(self, prediction: object) -> Tensor | None:
        """The map of the call just made, ``(N, 1, h, w)``, float32 in [0, 1], detached."""
        maps, self._maps = self._maps, {}
        # A map that a CUDA graph computed lies in memory that the next step writes over.
        return in_batch_order(maps, self._devices).clone() if maps else None

    def forget(self) -> None:
        """Stop listening, and let go of what was recorded, and of its graph."""
        self.listening, self._logits, self._maps = False, {}, {}

    def networks(self) -> dict[str, nn.Module]:
        """The mask branch, M, once attached."""
        return {} if self._branch is None else {"M": self._branch}

    def call_through(self, networks: Mapping[str, nn.Module]) -> None:
        """As the base."""
        self._called = networks.get("M", self._called)


def _activation_behind(discriminator: nn.Module, number: int, option: str) -> tuple[str, nn.Module]:
    """The activation behind a convolution, or behind one before that: those without one answer (real? which domain?).

    Raises:
        ConfigError: If there is none.
    """
    for before in range(number, 1, -1):
        try:
            return find_layer(discriminator, before, "activation", option)
        except ConfigError:
            continue
    return find_layer(discriminator, number, "activation", option)
