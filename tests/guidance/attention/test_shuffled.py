"""Shuffled attention keeps the values of post-hoc attention and loses their places."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach

Make = Callable[..., nn.Module]


@pytest.fixture
def look(make_generator: Make, make_discriminator: Make) -> Callable[..., Tensor]:
    networks, images = (make_generator(), make_discriminator()), torch.rand(3, 3, 64, 64)

    def maps(attention: str, seed: int = 0, signal: str = "activation") -> Tensor:
        guide = attach(*networks, GuideConfig(attention=attention, seed=seed, signal=signal))
        found = guide.look(images)[1]
        guide.detach()
        return found

    return maps


@pytest.mark.parametrize("signal", ["activation", "gradcam"])
def test_values_stay_and_places_change_by_one_permutation_for_all_images(
    look: Callable[..., Tensor], signal: str
) -> None:
    expected, found = (look(name, signal=signal).flatten(1) for name in ("pha", "shuffled"))
    order = [int(cell) for cell in torch.randperm(expected.shape[1], generator=torch.Generator().manual_seed(0))]
    assert torch.equal(found, expected[:, order])
    assert not torch.equal(found, expected) and sorted(order) == list(range(expected.shape[1]))


def test_the_seed_alone_decides_the_permutation(look: Callable[..., Tensor]) -> None:
    torch.manual_seed(5)
    first = look("shuffled")
    torch.manual_seed(6)
    assert torch.equal(look("shuffled"), first)
    assert not torch.equal(look("shuffled", seed=1), first)


def test_no_random_number_of_the_host_is_drawn(look: Callable[..., Tensor]) -> None:
    state = torch.get_rng_state()
    look("shuffled")
    assert torch.equal(torch.get_rng_state(), state)
