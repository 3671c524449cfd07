from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer, ConvTransfer


def numpy_bilinear(row: np.ndarray, size: int) -> np.ndarray:
    """One dimension, pixel centres, ends continued."""
    position = np.clip((np.arange(size) + 0.5) * len(row) / size - 0.5, 0, len(row) - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(row) - 1)
    return row[low] * (1 - (position - low)) + row[high] * (position - low)


def test_it_agrees_with_numpy() -> None:
    maps = torch.rand(1, 1, 7, 5)
    rows = np.stack([numpy_bilinear(row, 24) for row in maps[0, 0].numpy()])
    expected = np.stack([numpy_bilinear(column, 32) for column in rows.T]).T
    assert np.abs(BilinearTransfer()(maps, (32, 24))[0, 0].numpy() - expected).max() < 1e-6


def test_ones_stay_ones_and_a_full_size_map_is_left_alone() -> None:
    transfer, full = BilinearTransfer(), torch.rand(2, 1, 8, 8)
    assert (transfer(torch.ones(2, 1, 1, 1), (16, 12)) == 1).all()
    assert transfer(full, (8, 8)) is full


def test_it_has_nothing_to_train() -> None:
    assert not list(BilinearTransfer().parameters())


def test_the_network_gives_maps_of_the_images_size_in_zero_to_one() -> None:
    transfer = ConvTransfer()
    for shape in ((1, 1), (3, 5), (16, 12)):
        maps = transfer(torch.rand(2, 1, *shape), (16, 12))
        assert maps.shape == (2, 1, 16, 12) and maps.min() >= 0 and maps.max() <= 1
    assert len([layer for layer in transfer.modules() if isinstance(layer, nn.Conv2d)]) == 3


def test_the_network_agrees_with_plain_operators() -> None:
    transfer, maps = ConvTransfer(), torch.rand(1, 1, 3, 5)
    expected = F.interpolate(maps, (16, 12), mode="bilinear", align_corners=False)
    for number in (0, 2, 4):
        layer = transfer.layers[number]
        expected = F.conv2d(F.pad(expected, (1, 1, 1, 1), mode="replicate"), layer.weight, layer.bias)
        expected = F.leaky_relu(expected, 0.2) if number < 4 else 1 / (1 + (-expected).exp())
    assert torch.allclose(transfer(maps, (16, 12)), expected, atol=1e-6)


def test_a_constant_map_stays_constant_through_the_network() -> None:
    maps = ConvTransfer()(torch.ones(1, 1, 1, 1), (16, 12))
    assert torch.allclose(maps, maps[..., :1, :1].expand_as(maps), atol=1e-6)


def test_the_network_learns_also_where_it_answers_exactly_one() -> None:
    transfer = ConvTransfer()
    with torch.no_grad():
        transfer.layers[-1].bias.fill_(15)
    maps = transfer(torch.rand(1, 1, 3, 3), (8, 8))
    maps.sum().backward()
    assert maps.min() > 0.9999 and all((p.grad != 0).any() for p in transfer.parameters() if p.grad is not None)


def test_building_the_network_draws_none_of_the_hosts_random_numbers() -> None:
    state = torch.get_rng_state()
    transfer = GuideFactory.open(GuideConfig(transfer="conv")).transfer
    assert isinstance(transfer, ConvTransfer) and torch.equal(state, torch.get_rng_state())


def test_attached_the_generators_optimizer_trains_it_and_the_discriminators_does_not(
    make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module], toy_training: Any
) -> None:
    networks, images = (make_generator(), make_discriminator()), torch.rand(2, 3, 64, 64)
    training = toy_training(*networks)
    optimizers = [training.d_optimizer, training.g_optimizer]
    guide = attach(*networks, GuideConfig(transfer="conv"), optimizers=optimizers)
    other = attach(make_generator(), make_discriminator(), GuideConfig(transfer="conv"), name="B", beside=guide)
    assert other.networks()["T"] is guide.networks()["T"] is guide.transfer
    before = copy.deepcopy(guide.transfer)
    for _ in range(2):
        guide.bind(images, ["a", "b"])
        training.step(images, images)
    held = [{id(parameter) for parameter in group["params"]} for o in optimizers for group in o.param_groups]
    for old, new in zip(before.parameters(), guide.transfer.parameters(), strict=True):
        assert not torch.equal(old, new) and id(new) in held[1] and id(new) not in held[0]


def test_copies_and_pickles_of_a_generator_blend_the_placeholder_through_it(
    make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module]
) -> None:
    generator, images = make_generator(), torch.rand(1, 3, 64, 64)
    guide = attach(generator, make_discriminator(), GuideConfig(transfer="conv"))
    guide.call_through({"T": nn.DataParallel(guide.transfer)})
    expected = generator(images)
    copied, pickled = copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))
    assert torch.equal(copied(images), expected) and torch.equal(pickled(images), expected)
    guide.detach()
    assert not torch.equal(generator(images), expected)
