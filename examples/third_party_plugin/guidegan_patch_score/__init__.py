"""Where a PatchGAN's verdict is strongest, there the generator should look."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin import GuideConfig, hookimpl
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.maps import min_max
from guidegan_plugin.guidance.concatenation.base import Concatenation


class PatchScore(Attention):
    """The map is the magnitude of D's own prediction, patch by patch."""

    name: ClassVar[str] = "patch_score"

    @classmethod
    def from_config(cls, config: GuideConfig) -> PatchScore:
        return cls()

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        return []  # the prediction comes with every call

    def take_maps(self, prediction: object) -> Tensor | None:
        if not isinstance(prediction, Tensor) or prediction.dim() != 4:
            return None
        return min_max(prediction.detach().float().abs().mean(1, keepdim=True))

    @property
    def place(self) -> str:
        return "the discriminator's prediction"


class UnitHadamard(Concatenation):
    """x' = (T(A) + 1) / 2 * x."""

    name: ClassVar[str] = "unit_rhp"

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        return images * ((maps + 1) / 2).to(images.dtype)

    @property
    def place(self) -> str:
        return "multiplied onto the input image: x' = (T(A) + 1) / 2 * x"


@hookimpl
def guidegan_register_attention() -> list[type[Attention]]:
    return [PatchScore]


@hookimpl
def guidegan_register_concatenation() -> list[type[Concatenation]]:
    return [UnitHadamard]
