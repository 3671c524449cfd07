"""Asking changes nothing: a training whose every answer is looked at is bit for bit the one that nobody asked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig, Pair, guided

Make = Callable[..., nn.Module]
KEYS = ["a", "b"]


class Plain:
    def __init__(self, networks: list[nn.Module]) -> None:
        self.netG, self.netD = networks
        self.optimizers = [torch.optim.Adam(network.parameters(), 2e-4) for network in networks]

    def set_input(self, batch: dict[str, Any]) -> None:
        self.real_A = batch["A"]

    def optimize(self) -> None:
        for network in (self.netG, self.netD):
            network.zero_grad()
        (self.netD(self.netG(self.real_A)) - 1).pow(2).mean().backward()
        for optimizer in self.optimizers:
            optimizer.step()


def ask(translator: Any) -> None:
    """Everything that can be asked."""
    guide = translator.guides["A"]
    for keys in (KEYS, ["never seen"]):
        guide.maps(keys), guide.views(keys), guide.store.recall(keys), [key in guide.store for key in keys]
    guide.latest, guide.networks(), guide.digest(), guide.facts(), guide.statistics()
    guide.store.state(), guide.store.counts, guide.store.nbytes, list(guide.store), guide.store.recall(["never seen"])
    guide.store.changes(), list(guide.store.chunks())
    guide.binding.current("A"), guide.binding.translation("A"), guide.binding.shown(translator.real_A, "A")


@pytest.mark.parametrize("init", ["ones", "random"])
def test_look_ups_do_not_change_anything(make_generator: Make, make_discriminator: Make, init: str) -> None:
    networks = [make_generator(), make_discriminator()]
    config = GuideConfig(init=init, dropout=0.3)
    results = []
    for asked in (False, True):
        pair = Pair(generator="netG", discriminator="netD", source="real_A", keys="paths")
        translator: Any = guided(pair, config=config)(type("Own", (Plain,), {}))(copy.deepcopy(networks))
        generator = torch.Generator().manual_seed(0)
        for _ in range(3):
            translator.set_input({"A": torch.rand(2, 3, 64, 64, generator=generator), "paths": KEYS})
            if asked:
                ask(translator)
            translator.optimize()
            if asked:
                ask(translator)
        guide = translator.guides["A"]
        found = {**translator.netG.state_dict(), **guide.store.state()}
        results.append((found, guide.facts(), guide.statistics()))
    (found, *facts), (other, *others) = results
    assert facts == others and found.keys() == other.keys()
    assert all(torch.equal(found[name].nan_to_num(), other[name].nan_to_num()) for name in found)
