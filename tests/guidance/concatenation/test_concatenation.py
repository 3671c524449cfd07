from __future__ import annotations

import pickle
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.guidance.layers import convolutions


def test_rhp_is_equation_4() -> None:
    images, maps = torch.randn(2, 3, 4, 4), torch.rand(2, 1, 4, 4)
    assert torch.allclose(ResidualHadamard().blend(images, maps), (maps + 1) * images, atol=1e-6)


def test_rhp_with_ones_doubles_exactly() -> None:
    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(ResidualHadamard().blend(images, torch.ones(2, 1, 4, 4)), 2 * images)


def test_alpha_is_equation_5_and_repeats_gray_to_rgb() -> None:
    images, maps = torch.randn(2, 3, 4, 4), torch.rand(2, 1, 4, 4)
    assert torch.equal(AlphaChannel().blend(images, maps), torch.cat([images, maps], 1))
    gray = AlphaChannel().blend(images[:, :1], maps)
    assert gray.shape == (2, 4, 4, 4) and torch.equal(gray[:, 0], gray[:, 2]) and torch.equal(gray[:, 3:], maps)


@pytest.mark.parametrize("concatenation", [ResidualHadamard(), AlphaChannel()])
def test_images_keep_their_precision_and_are_not_written_to(concatenation: ResidualHadamard | AlphaChannel) -> None:
    images = torch.randn(1, 3, 4, 4).half()
    before = images.clone()
    assert concatenation.blend(images, torch.rand(1, 1, 4, 4)).dtype is torch.float16
    assert torch.equal(images, before)


def test_leaving_the_input_alone_is_an_alpha_of_zeros() -> None:
    images = torch.randn(1, 3, 4, 4)
    assert ResidualHadamard().without_map(images) is images
    assert (AlphaChannel().without_map(images)[:, 3] == 0).all()


@pytest.mark.parametrize("netG", ["resnet_6blocks", "unet_128"])
@pytest.mark.parametrize("channels", [1, 3])
def test_at_step_0_alpha_equals_the_host_bit_for_bit(networks: ModuleType, netG: str, channels: int) -> None:
    generator = networks.init_net(networks.define_G(channels, 3, 4, netG, "instance"))
    images = torch.rand(2, channels, 128, 128) * 2 - 1
    with torch.no_grad():
        expected = generator(images)
        alpha = AlphaChannel()
        alpha.adapt(generator)
        assert torch.equal(generator(alpha.blend(images, torch.rand(2, 1, 128, 128))), expected)
    assert convolutions(generator)[0][1].in_channels == 4


def test_the_parameter_stays_the_same_object_with_its_gradient_and_adam_state(
    make_generator: Callable[..., nn.Module],
) -> None:
    generator = make_generator()
    optimizer = torch.optim.Adam(generator.parameters())
    weight = generator[1].weight
    generator(torch.rand(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    alpha = AlphaChannel()
    alpha.adapt(generator, [optimizer])
    assert generator[1].weight is weight and weight.shape == weight.grad.shape == (8, 4, 3, 3)
    assert optimizer.state[weight]["exp_avg"].shape == (8, 4, 3, 3)
    generator(torch.rand(1, 4, 8, 8)).sum().backward()
    optimizer.step()
    assert (weight[:, 3] != 0).any(), "the new channel is trained"
    alpha.restore()
    assert weight.shape == optimizer.state[weight]["exp_avg_sq"].shape == (8, 3, 3, 3)


def test_a_checkpoint_of_the_hosts_width_is_padded_with_a_notice(
    make_generator: Callable[..., nn.Module], caplog: pytest.LogCaptureFixture
) -> None:
    host, generator = make_generator(), make_generator()
    AlphaChannel().adapt(generator)
    state = host.state_dict()
    generator.load_state_dict(state)
    assert torch.equal(generator[1].weight[:, :3], host[1].weight) and (generator[1].weight[:, 3] == 0).all()
    assert "zero alpha channel" in caplog.text
    assert state["1.weight"].shape[1] == 3, "the user's state is left as it is"


def test_a_checkpoint_with_alpha_loads_as_it_is(make_generator: Callable[..., nn.Module]) -> None:
    one, other = make_generator(), make_generator()
    AlphaChannel().adapt(one)
    AlphaChannel().adapt(other)
    with torch.no_grad():
        one[1].weight[:, 3] = 1
    other.load_state_dict(one.state_dict())
    assert torch.equal(other[1].weight, one[1].weight)


def test_any_other_width_is_refused_naming_what_fits(make_generator: Callable[..., nn.Module]) -> None:
    generator = make_generator()
    AlphaChannel().adapt(generator)
    before = generator[1].weight.clone()
    with pytest.raises(StoreError, match=r"takes 6 channels, expected 3 \(the host's\) or 4 \(with alpha\)"):
        generator.load_state_dict(make_generator(6).state_dict())
    assert torch.equal(generator[1].weight, before)


def test_a_generator_that_cannot_be_widened_is_refused() -> None:
    for network in (nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Conv2d(3, 3, 1, groups=3))):
        with pytest.raises(ConfigError, match="--guide_concat rhp"):
            AlphaChannel().adapt(network)


def test_restore_without_adapt_is_harmless_and_a_pickle_carries_no_network() -> None:
    alpha = AlphaChannel()
    alpha.restore()
    alpha.adapt(nn.Sequential(nn.Conv2d(3, 64, 7)))
    assert len(pickle.dumps(alpha)) < 200


@pytest.mark.parametrize("config", [GuideConfig(concat="alpha"), GuideConfig(transfer="conv")], ids=["alpha", "conv"])
def test_a_placeholder_made_in_inference_mode_serves_a_training(config: GuideConfig) -> None:
    generator = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1))
    discriminator = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(5)))
    with attach(generator, discriminator, config) as guide:
        guide.adapt_generator()
        with torch.inference_mode():
            generator(torch.rand(2, 3, 8, 8))
        generator(torch.rand(4, 3, 8, 8)).sum().backward()
        assert all(parameter.grad is not None for parameter in generator.parameters())
