"""A control: post-hoc attention whose values are kept and whose places are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.utils.options import NoOptions

if TYPE_CHECKING:
    from typing_extensions import Self


class ShuffledAttention(PostHocAttention):
    """Post-hoc attention with its cells permuted: is it the place that helps a generator, or the noise?

    One permutation serves all images, visits and steps. It depends on how many cells a map has and on the seed alone,
    and no random number of the host's is drawn.

    Args:
        layer: As :class:`~guidegan_plugin.guidance.attention.post_hoc.PostHocAttention`.
        tap: Likewise.
        border: Likewise.
        signal: Likewise.
        seed: Of the permutation.

    Raises:
        ConfigError: If the signal is unknown.
    """

    name: ClassVar[str] = "shuffled"
    map_options: ClassVar[tuple[str, ...]] = (*PostHocAttention.map_options, "seed")

    def __init__(
        self, layer: int | str = 4, tap: str = "conv", border: int = 0, signal: str = "activation", seed: int = 0
    ) -> None:
        super().__init__(layer, tap, border, signal)
        self._seed = seed
        self._orders: dict[tuple[int, torch.device], Tensor] = {}  # kept, because sending one over makes a GPU wait

    @classmethod
    def from_options(cls, options: NoOptions, config: GuideConfig) -> Self:
        """Build it from the config's ``signal``, ``layer``, ``tap``, ``border`` and ``seed``.

        Raises:
            ConfigError: As the class.
        """
        return cls(config.layer, config.tap, config.border_rings, config.signal, config.seed)

    @property
    def place(self) -> str:
        """The tapped layer's dotted path and kind, once attached."""
        return f"{super().place}, cells shuffled"

    def take_maps(self, prediction: object) -> Tensor | None:
        """The shuffled map of the call just made, ``(N, 1, h, w)``, float32 in [0, 1], detached.

        Raises:
            ConfigError: If the signal needs a gradient and none flows from the prediction to the layer.
        """
        maps = super().take_maps(prediction)
        return None if maps is None else maps.flatten(2)[..., self._order(maps)].view_as(maps)

    def _order(self, maps: Tensor) -> Tensor:
        cells, device = maps.shape[-2] * maps.shape[-1], maps.device
        if (cells, device) not in self._orders:
            generator = torch.Generator().manual_seed(self._seed)
            self._orders[cells, device] = torch.randperm(cells, generator=generator, device="cpu").to(device)
        return self._orders[cells, device]
