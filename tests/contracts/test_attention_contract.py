"""What every registered attention mechanism must keep, ours or a third party's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import guidegan_patch_score
import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.attention.signals import SIGNALS
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.plugins.manager import collect, create_manager

PLUGINS = [guidegan_patch_score]
MECHANISMS = sorted(collect(create_manager(PLUGINS), "attention"))
KINDS = [(name, "activation") for name in MECHANISMS] + [
    ("pha", signal) for signal in SIGNALS if signal != "activation"
]
Networks = tuple[nn.Module, nn.Module]


@pytest.fixture
def pair(make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module]) -> Networks:
    return make_generator(), make_discriminator()


@pytest.fixture(params=KINDS, ids="-".join)
def guide(request: pytest.FixtureRequest, pair: Networks) -> Guide:
    attention, signal = request.param
    return attach(*pair, GuideConfig(attention=attention, signal=signal), PLUGINS)


def judge(guide: Guide, pair: Networks, images: Tensor) -> Tensor:
    guide.bind(images, [str(index) for index in range(len(images))])
    fake: Tensor = pair[0](images)
    pair[1](fake)
    return fake


def test_it_says_its_name_and_whether_it_changes_predictions(guide: Guide) -> None:
    assert guide.attention is not None and guide.attention.name in MECHANISMS
    assert isinstance(guide.attention.changes_prediction, bool) and guide.attention.place


def test_predictions_are_as_before_unless_it_says_otherwise(guide: Guide, pair: Networks) -> None:
    images = torch.rand(2, 3, 64, 64)
    guided = pair[1](images)
    guide.detach()
    assert guide.attention is not None
    assert guide.attention.changes_prediction or torch.equal(guided, pair[1](images))


def test_keys_gradients_flags_and_random_state_are_untouched(guide: Guide, pair: Networks) -> None:
    plain = copy.deepcopy(pair[1])
    for parameter in pair[1].parameters():
        parameter.grad = torch.ones_like(parameter)
        parameter.requires_grad_(False)
    state = torch.get_rng_state()
    judge(guide, pair, torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(state, torch.get_rng_state())
    assert list(pair[1].state_dict()) == list(plain.state_dict())
    assert all((p.grad == 1).all() and not p.requires_grad for p in pair[1].parameters())
    assert all(module.training for module in pair[1].modules())


def test_no_hook_stays_after_detaching_even_after_an_error_in_the_middle(guide: Guide, pair: Networks) -> None:
    with pytest.raises(RuntimeError):
        pair[1](torch.rand(1, 5, 64, 64))
    guide.detach()
    guide.detach()
    assert not any(module._forward_hooks or module._forward_pre_hooks for net in pair for module in net.modules())


@pytest.mark.parametrize("scale", [1.0, 0.0, float("nan"), float("inf"), 1e30])
def test_a_map_is_a_map_for_any_activation(guide: Guide, pair: Networks, scale: float) -> None:
    maps = guide.look(torch.rand(2, 3, 64, 64) * scale)[1]
    assert maps.shape[:2] == (2, 1) and maps.dtype is torch.float32 and not maps.requires_grad
    assert maps.isfinite().all() and maps.min() >= 0 and maps.max() <= 1


def test_a_samples_map_is_its_own(guide: Guide) -> None:
    images = torch.rand(3, 3, 64, 64)
    together = guide.look(images)[1]
    for index in range(3):
        assert torch.allclose(guide.look(images[index : index + 1])[1], together[index : index + 1], atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_give_nearly_the_same_map(guide: Guide, pair: Networks, dtype: torch.dtype) -> None:
    images = torch.rand(1, 3, 64, 64)
    expected = guide.look(images)[1]
    pair[1].to(dtype)
    assert (guide.look(images.to(dtype))[1].float() - expected).abs().mean() < 0.03


def test_training_with_it_stores_maps_that_save_and_load(
    guide: Guide, pair: Networks, toy_training: Any, tmp_path: Path
) -> None:
    training, images = toy_training(*pair), torch.rand(2, 3, 64, 64)
    for _ in range(2):
        guide.bind(images, ["a", "b"])
        training.step(images, torch.rand(2, 3, 64, 64))
    guide.save(tmp_path / "guide.safetensors")
    maps, visited = guide.maps(["a", "b"])
    guide.load(tmp_path / "guide.safetensors")
    assert visited.all() and torch.equal(guide.maps(["a", "b"])[0], maps)
