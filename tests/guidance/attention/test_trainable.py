from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.trainable import MaskBranch, TrainableAttention, mean_mask, soft_mask
from guidegan_plugin.guidance.guide import Guide

Make = Callable[..., nn.Module]
TAM = GuideConfig(attention="tam")


class PlainModule(nn.Module):
    """Appendix A's discriminator in plain operators: one convolution, trunk and mask branch, one convolution."""

    def __init__(self, discriminator: nn.Sequential, branch: nn.Module) -> None:
        super().__init__()
        self.trained, self.mask = copy.deepcopy((list(discriminator), list(branch.layers)))

    def forward(self, images: Tensor, offset: float = 0.0) -> tuple[Tensor, Tensor]:
        first, *trunk, last = (layer for layer in self.trained if isinstance(layer, nn.Conv2d))
        features = F.leaky_relu(self._convolve(first, images), 0.2)
        trunk_output = features
        for layer in trunk:
            trunk_output = F.leaky_relu(F.instance_norm(self._convolve(layer, trunk_output)), 0.2)
        down1, down2, third, fourth = (layer for layer in self.mask if isinstance(layer, nn.Conv2d))
        assert down1.stride == down2.stride == (2, 2) and third.stride == fourth.stride == (1, 1)
        mask = features
        for layer in (down1, down2, third):
            mask = F.leaky_relu(F.instance_norm(self._convolve(layer, mask)), 0.2)
        mask = F.interpolate(self._convolve(fourth, mask), trunk_output.shape[-2:], mode="bilinear")
        mask = 1 / (1 + (-mask - offset).exp())
        return self._convolve(last, (mask + 1) * trunk_output), mask.sum(1, keepdim=True) / mask.shape[1]

    @staticmethod
    def _convolve(layer: nn.Conv2d, images: Tensor) -> Tensor:
        return F.conv2d(images, layer.weight, layer.bias, layer.stride, layer.padding)


@pytest.fixture
def pair(make_generator: Make, make_discriminator: Make) -> tuple[nn.Module, Any]:
    return make_generator(), make_discriminator()


def branch_of(guide: Guide) -> nn.Module:
    return guide.networks()[f"M_{guide.name}"]


@pytest.mark.parametrize(("start", "offset"), [("paper", 0.0), ("residual", -4.0)])
def test_it_computes_what_a_plain_build_of_appendix_a_computes(pair: Any, start: str, offset: float) -> None:
    guide, images = attach(*pair, GuideConfig(attention="tam", options={"tam_start": start})), torch.rand(2, 3, 64, 48)
    branch = branch_of(guide)
    with torch.no_grad():
        for parameter in branch.parameters():
            parameter.mul_(3)
    plain = PlainModule(pair[1], branch)
    expected, maps = plain(images, offset)
    assert torch.allclose(pair[1](images), expected, atol=1e-5)
    assert torch.allclose(guide.look(images)[1], maps, atol=1e-6) and maps.std() > 0
    pair[1](images).sum().backward()
    expected.sum().backward()
    for ours, theirs in zip(
        [*pair[1].parameters(), *branch.parameters()],
        [p for layer in [*plain.trained, *plain.mask] for p in layer.parameters()],
        strict=True,
    ):
        assert ours.grad is not None and torch.allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_it_begins_in_the_middle_or_where_the_discriminator_was(pair: Any) -> None:
    images, bare = torch.rand(1, 3, 64, 64), copy.deepcopy(pair[1])
    guide = attach(*pair, TAM)
    assert guide.look(images)[1].min() > 0.3 and guide.look(images)[1].max() < 0.7
    guide.detach()
    guide = attach(*pair, GuideConfig(attention="tam", options={"tam_start": "residual"}))
    for parameter in branch_of(guide).parameters():
        nn.init.normal_(parameter, 0.0, 0.02)  # the host's initialisation does not undo it
    assert guide.look(images)[1].max() < 0.05
    assert torch.allclose(pair[1](images), bare(images), rtol=0.1, atol=0.02)


def test_the_discriminators_loss_trains_it_and_the_generators_does_not(pair: Any, toy_training: Any) -> None:
    training, images = toy_training(*pair), torch.rand(2, 3, 64, 64)
    guide = attach(*pair, TAM, optimizers=[training.g_optimizer, training.d_optimizer])
    branch = branch_of(guide)
    weights = [parameter.clone() for parameter in branch.parameters()]
    pair[1].requires_grad_(False)
    guide.bind(images, ["a", "b"])
    pair[1](pair[0](images)).mean().backward()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in branch.parameters())
    assert all(parameter.grad is not None for parameter in pair[0].parameters())
    guide.bind(images, ["a", "b"])
    training.step(images, images)
    assert all(parameter.requires_grad for parameter in branch.parameters())
    changed = [not torch.equal(old, new) for old, new in zip(weights, branch.parameters(), strict=True)]
    assert sum(changed) >= 5, "biases in front of a norm have no gradient"
    assert len(training.d_optimizer.param_groups) == 1 and guide.maps(["a", "b"])[1].all()


@pytest.mark.parametrize("side", [16, 24, 40])
def test_small_images_are_no_error(side: int) -> None:
    discriminator = nn.Sequential(
        *[
            layer
            for width in ((3, 4), (4, 6), (6, 5))
            for layer in (nn.Conv2d(*width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True))
        ]
    )
    guide = attach(nn.Conv2d(3, 3, 1), discriminator, TAM)
    maps = guide.look(torch.rand(2, 3, side, side))[1]
    assert maps.shape[-1] == side // 4 and branch_of(guide).layers[-1].out_channels == 6


def test_other_discriminators_name_their_places(pair: Any) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.begin, self.middle = nn.Conv2d(3, 4, 3, 2, 1), nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())
            self.end = nn.Conv2d(6, 1, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.end(self.middle(self.begin(images).relu()))

    discriminator = Functional()
    with pytest.raises(ConfigError, match=r"no activation follows layer 1 \(begin\); change tam_features \(--g"):
        attach(pair[0], discriminator, TAM)
    guide = attach(
        pair[0], discriminator, GuideConfig(attention="tam", options={"tam_features": "begin", "tam_trunk": "middle"})
    )
    assert guide.pair["attention"] == "a mask branch from begin (Conv2d) to middle (Sequential)"
    assert guide.look(torch.rand(1, 3, 32, 32))[1].shape == (1, 1, 8, 8)
    assert branch_of(guide).layers[0].in_channels == 4 and branch_of(guide).layers[-1].out_channels == 6


def test_the_trunk_ends_before_the_heads_that_answer_side_by_side() -> None:
    class TwoAnswers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [module for width in (3, 4, 4) for module in (nn.Conv2d(width, 4, 4, 2, 1), nn.LeakyReLU(0.2))]
            self.main = nn.Sequential(*layers)
            self.real, self.domain = nn.Conv2d(4, 1, 3, 1, 1), nn.Conv2d(4, 5, 2)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            hidden = self.main(images)
            return self.real(hidden), self.domain(hidden)

    generator, discriminator = nn.Conv2d(3, 3, 3, 1, 1), TwoAnswers()
    with attach(generator, discriminator, config=TAM) as guide:
        assert guide.pair["attention"] == "a mask branch from main.1 (LeakyReLU) to main.5 (LeakyReLU)"
        assert guide.look(torch.rand(2, 3, 16, 16))[1].shape == (2, 1, 2, 2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"tam_features": "model.7"}, r"layer 'model.7' does not exist.*change tam_features \(--guide_tam_features\)"),
        ({"tam_trunk": "head"}, r"layer 'head' does not exist.*change tam_trunk \(--guide_tam_trunk\)"),
    ],
)
def test_places_there_are_not_are_refused(pair: Any, config: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        attach(*pair, GuideConfig(attention="tam", options=config))
    assert not any(module._forward_hooks for network in pair for module in network.modules())


def test_a_discriminator_without_a_trunk_and_places_in_the_wrong_order_are_refused(pair: Any) -> None:
    short = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 3))
    with pytest.raises(ConfigError, match=r"found 2; change attention \(--guide_attention\)"):
        attach(pair[0], short, TAM)
    with pytest.raises(ConfigError, match=r"no convolution leads to 0: .*--guide_tam_features"):
        attach(
            pair[0], nn.Sequential(nn.Identity(), *pair[1]), GuideConfig(attention="tam", options={"tam_features": "0"})
        )
    guide = attach(*pair, GuideConfig(attention="tam", options={"tam_features": "7", "tam_trunk": "1"}))
    with pytest.raises(ConfigError, match=r"trunk's end was reached before the features .*--guide_tam_features"):
        guide.look(torch.rand(1, 3, 64, 64))


def test_the_map_is_the_masks_mean_and_ones_where_that_is_not_finite() -> None:
    mask = torch.rand(3, 5, 4, 4)
    mask[1, 2, 3, 3] = float("nan")
    maps = mean_mask(mask)
    assert torch.allclose(maps[[0, 2]], mask[[0, 2]].mean(1, keepdim=True)) and (maps[1] == 1).all()
    assert soft_mask(torch.full((1, 2, 1, 1), 1e9), (3, 4)).shape == (1, 2, 3, 4)


def test_it_draws_nothing_and_a_copy_computes_without_it(pair: Any) -> None:
    bare, images, state = copy.deepcopy(pair[1]), torch.rand(1, 3, 64, 64), torch.get_rng_state()
    guide = attach(*pair, TAM)
    assert torch.equal(torch.get_rng_state(), state) and list(pair[1].state_dict()) == list(bare.state_dict())
    assert not torch.equal(pair[1](images), bare(images))
    assert torch.equal(copy.deepcopy(pair[1])(images), bare(images))
    guide.detach()
    assert torch.equal(pair[1](images), bare(images))


def test_autocast_keeps_the_trunks_precision(pair: Any) -> None:
    guide, images, seen = attach(*pair, TAM), torch.rand(1, 3, 64, 64), []
    pair[1][-1].register_forward_pre_hook(lambda _, args: seen.append(args[0].dtype))
    exact = guide.look(images)[1]
    with torch.autocast("cpu", torch.bfloat16):
        maps = guide.look(images)[1]
    assert seen == [torch.float32, torch.bfloat16] and (maps - exact).abs().max() < 0.05


def test_a_call_that_breaks_off_leaves_nothing_behind(pair: Any) -> None:
    guide = attach(*pair, TAM)
    stop = pair[1][3].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pair[1](torch.rand(1, 3, 64, 64))
    stop.remove()
    guide.look(torch.rand(1, 3, 64, 64))
    attention = guide.attention
    assert isinstance(attention, TrainableAttention) and not attention._logits and not attention._maps


def test_it_is_called_through_the_hosts_wrapper(pair: Any) -> None:
    guide, images = attach(*pair, TAM), torch.rand(2, 3, 64, 64)
    expected, calls = pair[1](images), []
    wrapper = nn.DataParallel(branch_of(guide))
    wrapper.register_forward_hook(lambda *_: calls.append(1))
    guide.call_through({"M_A": wrapper, "M_B": MaskBranch(8, 16)})
    assert torch.equal(pair[1](images), expected) and calls == [1]
