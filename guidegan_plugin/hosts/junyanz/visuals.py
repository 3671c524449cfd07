"""Attention maps on the host's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guidegan_plugin.attaching.pairs import NamedPair
from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer
from guidegan_plugin.guidance.layers import convolutions
from guidegan_plugin.guidance.memory.store_file import load_facts, of_other_weights
from guidegan_plugin.hosts.junyanz.discriminators import load_discriminator
from guidegan_plugin.hosts.junyanz.guides import HostGuides


class AttentionVisuals:
    """Puts each pair's map beside its source image; at test time its name says when it is what stands for the map.

    Args:
        guides: The guides of a model; visuals are added to it.
    """

    def __init__(self, guides: HostGuides) -> None:
        self._guides, self._model = guides, guides.model
        options = self._model.opt
        self._asks = guides.active and not self._model.isTrain and bool(options.guide_show or options.guide_refine)
        self._names: dict[str, NamedPair] = {}
        if guides.active and not options.guide_no_visuals:
            self._names = {f"attention_{pair.name}{self._ending(pair)}": pair for pair in guides.pairs}
        shown = self._model.visual_names
        for name, pair in self._names.items():
            shown.insert(shown.index(pair.source) + 1 if pair.source in shown else len(shown), name)

    def draw(self) -> None:
        """Put the maps of the batch under way where the host's pages look for them, ``(N, 1, H, W)`` in [-1, 1]."""
        for name, pair in self._names.items():
            images: Tensor = getattr(self._model, pair.source)
            guide = self._guides.guides[pair.name]
            visit = guide.binding.current(pair.name)
            # A host that updates its generator in every fifth step shows batches that nobody judged, too.
            maps = guide.latest if visit is not None and visit.judged else None
            if self._asks and (asked := self.ask(pair)) is not None:
                maps = asked[1]
            if maps is None:
                maps = self._given(pair, images)
            setattr(self._model, name, BilinearTransfer()(maps, (images.shape[-2], images.shape[-1])) * 2 - 1)

    def _ending(self, pair: NamedPair) -> str:
        """What the name of a pair's map ends with: nothing where it is the discriminator's own."""
        if self._model.isTrain or self._asks:
            return ""
        given = self._guides.guides[pair.name].given
        return "_placeholder" if given is None else f"_{given.word}"

    def _given(self, pair: NamedPair, images: Tensor) -> Tensor:
        """What stands for the maps of images that nobody judged: what their generator was given, or would be."""
        guide = self._guides.guides[pair.name]
        visit = guide.binding.current(pair.name)
        if self._model.isTrain:
            return placeholder(images) if visit is None or visit.maps is None else visit.maps
        return guide.test_maps(images, None if visit is None else visit.view)

    def ask(self, pair: NamedPair) -> tuple[Any, Tensor] | None:
        """What D says of what G has just made at test time, and where it looks; None where G made nothing."""
        guide = self._guides.guides[pair.name]
        fake = guide.binding.translation(pair.name)
        return None if fake is None else guide.look(self._judged(pair, fake))

    def _judged(self, pair: NamedPair, fake: Tensor) -> Tensor:
        """What D is called with: the fake, or source and fake where D is conditional."""
        expected = convolutions(self._guides.network(pair.judges[0].path))[0][1].in_channels
        source: Tensor = getattr(self._model, pair.source)
        if expected == fake.shape[1]:
            return fake
        if expected == fake.shape[1] + source.shape[1]:
            return torch.cat([source, fake], dim=1)
        raise HostError(
            f"{pair.discriminator} takes {expected} channels, neither the output's nor source's and output's together; "
            "leave out --guide_show and --guide_refine"
        )

    def load_discriminators(self) -> None:
        """Build and load each pair's D, which the host leaves out at test time, where it is to be asked.

        Raises:
            HostError: If a checkpoint is missing or holds another discriminator; the message names it.
            StoreError: If one is torn, or has other weights than the store beside it says.
        """
        store = self._guides.memory.store
        facts = load_facts(store, "move it elsewhere") if self._asks and store.exists() else {}
        for pair in self._guides.pairs if self._asks else ():
            first = pair.judges[0].path
            name = f"{self._guides.memory.suffix}_net_{first.removeprefix('net')}.pth"
            discriminator = load_discriminator(self._model, Path(self._model.save_dir) / name)
            setattr(self._model, first, discriminator)
            guide = self._guides.guides[pair.name]
            guide.watch(discriminator)
            if others := of_other_weights(facts, pair.name, guide.digests("D"), str(store)):
                cure = "load the checkpoint it was saved with, or leave out --guide_show and --guide_refine"
                raise StoreError(f"{others}; {cure}")
            for name, network in guide.networks().items():
                if name not in self._guides.new_networks.names:
                    self._guides.new_networks.load(name, network, self._guides.memory.suffix)
