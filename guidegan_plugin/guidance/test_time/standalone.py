"""Standalone: a generator as test time uses it, in one plain module that knows no guide and no memory."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.arguments import find_images, replace_argument
from guidegan_plugin.guidance.calls.call_site import SITES, original_class
from guidegan_plugin.guidance.calls.generator import PlaceholderBlend
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.calls.stages import Stage
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.test_time.given_map import MeanMap, PredictedMap


class Standalone(nn.Module):
    """Copies of G, of T, and of what makes the map at test time, as submodules; in eval mode.

    It can be exported (``torch.export``), traced, moved and saved like any module. Its output is what the guided
    generator computes at test time.

    Args:
        entry: Where the generator is met.
        blend: What test time blends in.

    Attributes:
        generator: G.
        transfer: T.
        predictor: Predicts the map of an image; None where it is another map.
        mean: The mean map ``(1, h, w)``; None where it is another map.

    Raises:
        StoreError: If what makes the map is missing or foreign.
    """

    mean: Tensor | None

    def __init__(self, entry: Stage, blend: PlaceholderBlend) -> None:
        super().__init__()
        self.generator = _without_call_sites(copy.deepcopy(unwrap(entry.module)))
        self.transfer = copy.deepcopy(unwrap(blend.transfer))
        given = blend.given
        if given is not None:
            given.require()
        device = next((weight.device for weight in self.generator.parameters()), torch.device("cpu"))
        self.predictor = copy.deepcopy(given.predictor) if isinstance(given, PredictedMap) else None
        if self.predictor is not None:
            self.predictor.to(device)
        maps = given(torch.zeros(1, 1, 1, 1, device=device)) if isinstance(given, MeanMap) else None
        self.register_buffer("mean", None if maps is None else maps[0].clone())
        self._method = "forward" if entry.method == "__call__" else entry.method
        self._blend = PlaceholderBlend(blend.concatenation, self.transfer, blend.argument, blend.joined)
        self.requires_grad_(False)
        for part in self.modules():  # copies, none of which is the host's
            part.training = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What G makes of images, called as G is called."""
        where, images = find_images(args, kwargs, self._blend.argument)
        args, kwargs = replace_argument(args, kwargs, where, self._blend.blend(images, self._maps(images)))
        return getattr(self.generator, self._method)(*args, **kwargs)

    def _maps(self, images: Tensor) -> Tensor | None:
        maps, weight = self._given(images), next(self.transfer.parameters(), None)
        if weight is None:
            return maps
        # Whoever has this module moves it to another precision, and T with it.
        return (placeholder(images) if maps is None else maps).to(weight.dtype)

    def _given(self, images: Tensor) -> Tensor | None:
        if self.mean is not None:
            return self.mean.expand(images.shape[0], -1, -1, -1)  # which a graph leaves open
        if self.predictor is None:
            return None
        start, end = self._blend.joined.get(images.shape[1], (0, images.shape[1]))
        maps: Tensor = self.predictor(images[:, start:end])
        return maps


def standalone(pair: str, entry: Stage | None, leaves: bool, blend: PlaceholderBlend) -> Standalone:
    """A pair's generator by itself.

    Args:
        pair: Name of the pair.
        entry: Where its generator is met; None where it no longer exists.
        leaves: Whether it is left at another place.
        blend: What test time blends in.

    Raises:
        ConfigError: If it is no single network.
        StoreError: As :class:`Standalone`.
    """
    if entry is None or leaves:
        found = "two stages" if leaves else "no generator any more"
        raise ConfigError(f"pair {pair}: one module can be made of a generator that is one network, found {found}")
    return Standalone(entry, blend)


def _without_call_sites(network: nn.Module) -> nn.Module:
    """A copied network without what its call sites left in it, or in a part of it."""
    for part in network.modules():
        if SITES in vars(part):
            original = original_class(part)
            del vars(part)[SITES]
            part.__class__ = original
    return network
