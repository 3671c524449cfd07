"""What every registered concatenation must keep, ours or a third party's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import guidegan_patch_score
import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.plugins.manager import collect, create_manager

PLUGINS = [guidegan_patch_score]
REGISTERED: dict[str, type[Concatenation]] = collect(create_manager(PLUGINS), "concatenation")


@pytest.fixture(params=sorted(REGISTERED))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
def test_blending_keeps_batch_size_and_precision_and_writes_to_nothing(
    name: str, dtype: torch.dtype, channels: int
) -> None:
    images, maps = torch.rand(2, channels, 6, 5).to(dtype), torch.rand(2, 1, 6, 5)
    before = images.clone(), maps.clone()
    blended = REGISTERED[name]().blend(images, maps)
    assert blended.dtype is dtype and len(blended) == 2 and blended.shape[-2:] == (6, 5)
    assert blended.shape == REGISTERED[name]().without_map(images).shape
    assert torch.equal(images, before[0]) and torch.equal(maps, before[1])
    assert (blended is images) if REGISTERED[name].weighs else blended.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_placeholder_is_blended_as_a_map_of_ones_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    images, ones = torch.randn(2, 3, 6, 5).to(dtype), torch.ones(1, 1, 1, 1).expand(2, 1, 6, 5)
    concatenation = REGISTERED[name]()
    assert torch.equal(concatenation.blend_ones(images, ones), concatenation.blend(images, ones))


def test_attached_and_detached_the_generator_is_what_it_was(
    name: str, make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module], same_state: Any
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    plain, images = copy.deepcopy(generator), torch.rand(1, 3, 64, 64)
    with attach(generator, discriminator, GuideConfig(concat=name), PLUGINS):
        assert generator(images).shape == images.shape
    assert same_state(generator, plain) and torch.equal(generator(images), plain(images))
    assert not any(module._forward_pre_hooks or module._load_state_dict_pre_hooks for module in generator.modules())


def test_gradients_reach_the_image(name: str) -> None:
    images = torch.rand(1, 3, 4, 4, requires_grad=True)
    REGISTERED[name]().blend(images, torch.rand(1, 1, 4, 4)).sum().backward()
    assert images.grad is not None and (images.grad != 0).all()


def test_a_pickle_blends_the_same(name: str) -> None:
    images, maps = torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4)
    concatenation = REGISTERED[name]()
    assert torch.equal(pickle.loads(pickle.dumps(concatenation)).blend(images, maps), concatenation.blend(images, maps))
