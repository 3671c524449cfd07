"""Guidance adds a bounded number of operations to a step, whatever the batch size; counts, no times."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from guidegan_plugin import Guide, View, attach

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"
STEPS = 20


@pytest.fixture(scope="module")
def benchmark(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(BENCHMARKS / "launches.py")


def discriminator() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), *(nn.Conv2d(4, 4, 3, 1, 1) for _ in range(3)), nn.Conv2d(4, 1, 1))


def views(count: int, seed: int) -> list[View]:
    """Another crop and flip for each image of each step, as a loader makes them."""
    draws, found = random.Random(seed), []
    for _ in range(STEPS):
        corners = [(draws.randrange(8), draws.randrange(8)) for _ in range(count)]
        found.append(View.stack([View.crop(corner, (24, 24), (32, 32), draws.random() < 0.5) for corner in corners]))
    return found


def train(networks: Sequence[nn.Module], guides: Sequence[Guide], count: int, seen: Sequence[View]) -> None:
    """Updates of both generators of a CycleGAN, each batch with images of its own."""
    ga, gb, da, db = networks
    for step, view in enumerate(seen):
        a, b = (torch.empty(count, 3, 32, 32, device="meta") for _ in "AB")
        for guide, images in zip(guides, (a, b), strict=False):
            guide.bind(images, [f"{step} {row}" for row in range(count)], View(view.theta))
        fake_b, fake_a = ga(a), gb(b)
        others = gb(fake_b).sum() + ga(fake_a).sum() + ga(b).sum() + gb(a).sum()
        (others + da(fake_b).sum() + db(fake_a).sum()).backward()


@pytest.mark.parametrize("count", [1, 8])
def test_two_guided_pairs_add_at_most_40_launches_and_20_cpu_operations_and_wait_for_nothing(
    benchmark: ModuleType, count: int
) -> None:
    counted = []
    for guided in (False, True):
        made = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), discriminator(), discriminator()
        networks = [network.to("meta") for network in made]
        pairs = list(zip("AB", networks[:2], networks[2:], strict=True)) if guided else []
        guides = [attach(generator, discriminator, name=name) for name, generator, discriminator in pairs]
        train(networks, guides, count, views(count, seed=0))
        second = views(count, seed=1)
        with benchmark.Operations() as operations:
            train(networks, guides, count, second)
        counted.append(operations)
    bare, with_guides = counted
    assert with_guides.launches["grid_sampler_2d"] == 2 * STEPS
    assert (with_guides.launches.total() - bare.launches.total()) / STEPS <= 40
    assert (with_guides.on_cpu.total() - bare.on_cpu.total()) / STEPS <= 20
    assert not with_guides.waits
