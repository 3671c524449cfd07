"""Where a PatchGAN's verdict is strongest, there the generator should look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin import Attention, Concatenation, ConfigError, hookimpl, min_max, option


@dataclass(frozen=True)
class PatchScoreOptions:
    """``--guide_patch_score_power``, or ``GuideConfig(options={"patch_score_power": 2.0})``."""

    power: float = option(1.0, "the magnitude of the prediction to this power, so that strong verdicts stand out")


class PatchScore(Attention):
    """The map is the magnitude of D's own prediction, patch by patch.

    Args:
        power: Of the magnitude; above 0.

    Raises:
        ConfigError: If it is not.
    """

    name: ClassVar[str] = "patch_score"
    Options: ClassVar[type[PatchScoreOptions]] = PatchScoreOptions

    def __init__(self, power: float = 1.0) -> None:
        if power <= 0:
            raise ConfigError(f"power must be above 0, found {power}; change --guide_patch_score_power")
        self._power = power

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        return []  # the prediction comes with every call

    def take_maps(self, prediction: object) -> Tensor | None:
        if not isinstance(prediction, Tensor) or prediction.dim() != 4:
            return None
        return min_max(prediction.detach().float().abs().mean(1, keepdim=True).pow(self._power))

    @property
    def place(self) -> str:
        return "the discriminator's prediction"


class UnitHadamard(Concatenation):
    """x' = (T(A) + 1) / 2 * x."""

    name: ClassVar[str] = "unit_rhp"
    preview_text: ClassVar[str] = "(A + 1) / 2 · x of input x and map A"

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        return images * ((maps + 1) / 2).to(images.dtype)

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        return (maps + 1) / 2 * images  # what the generator is given is in range already

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, None]:
        return weight.clone(), None  # a map of ones leaves the image as it is

    @property
    def place(self) -> str:
        return "multiplied onto the input image: x' = (T(A) + 1) / 2 * x"


@hookimpl
def guidegan_register_attention() -> list[type[Attention]]:
    return [PatchScore]


@hookimpl
def guidegan_register_concatenation() -> list[type[Concatenation]]:
    return [UnitHadamard]
