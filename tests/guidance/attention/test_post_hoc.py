from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.maps import average, in_batch_order, min_max, replace_border
from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.attention.signals import magnitude


def reference(activation: np.ndarray) -> np.ndarray:
    """Equation (2) as written, in double precision."""
    mean = np.abs(activation.astype(np.float64)).mean(axis=1, keepdims=True)
    low, high = mean.min(axis=(1, 2, 3), keepdims=True), mean.max(axis=(1, 2, 3), keepdims=True)
    return (mean - low) / (high - low)


def test_equation_2_agrees_with_numpy() -> None:
    activation = torch.randn(4, 16, 7, 5)
    assert np.abs(min_max(magnitude(activation)).numpy() - reference(activation.numpy())).max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_activations_are_reduced_in_single_precision(dtype: torch.dtype) -> None:
    activation = torch.randn(2, 512, 4, 4).to(dtype)
    signal = magnitude(activation)
    assert signal.dtype is torch.float32
    assert torch.allclose(signal / 512, activation.float().abs().mean(1, keepdim=True), atol=1e-5)


def test_each_sample_is_stretched_by_itself() -> None:
    signal = torch.rand(3, 1, 4, 4)
    together = min_max(signal)
    for index in range(3):
        assert torch.equal(together[index : index + 1], min_max(signal[index : index + 1]))
    assert together.amin((1, 2, 3)).tolist() == [0, 0, 0] and together.amax((1, 2, 3)).tolist() == [1, 1, 1]


def test_a_stretched_map_is_the_quotient_of_differences_bit_for_bit() -> None:
    signal = 100 * torch.rand(4, 1, 31, 31) - 3
    low, high = signal.amin((1, 2, 3), keepdim=True), signal.amax((1, 2, 3), keepdim=True)
    assert torch.equal(min_max(signal), ((signal - low) / (high - low)).clamp(0, 1))


@pytest.mark.parametrize("bad", [0.0, 3.5, float("nan"), float("inf"), -float("inf"), 1e38])
def test_a_sample_without_range_becomes_ones_and_spares_its_neighbour(bad: float) -> None:
    signal = torch.rand(2, 1, 3, 3)
    neighbour = min_max(signal)[1]
    signal[0] = bad
    if bad == 1e38:
        signal[0, 0, 0, 0] = float("nan")
    maps = min_max(signal)
    assert (maps[0] == 1).all() and torch.equal(maps[1], neighbour)


def test_rounding_noise_of_a_constant_is_no_range() -> None:
    signal = torch.full((1, 1, 4, 4), 1000.0)
    signal[0, 0, 0, 0] = torch.nextafter(signal[0, 0, 0, 0], torch.tensor(2000.0))
    assert (min_max(signal) == 1).all()


def test_border_rings_take_their_inner_neighbour() -> None:
    signal = torch.zeros(1, 1, 5, 6)
    signal[..., 0, :] = signal[..., -1, :] = signal[..., 0] = signal[..., -1] = 9
    signal[..., 1, 1] = 4
    replaced = replace_border(signal, 1)
    assert replaced[0, 0, 0, 0] == 4 and replaced[0, 0, 0, 1] == 4 and replaced.max() == 4
    assert torch.equal(replaced[..., 1:-1, 1:-1], signal[..., 1:-1, 1:-1])


@pytest.mark.parametrize("rings", [0, 2])
def test_no_ring_or_no_inside_leaves_the_signal(rings: int) -> None:
    signal = torch.rand(1, 1, 4, 4)
    assert replace_border(signal, rings) is signal


def test_the_convolutions_own_output_is_read_before_layers_overwrite_it(
    make_discriminator: Callable[..., nn.Module],
) -> None:
    discriminator, images = make_discriminator(), torch.rand(2, 3, 64, 64)
    activation = discriminator[:9](images)  # up to and with the fourth convolution
    attention = PostHocAttention(layer=4)
    handles = attention.attach(discriminator)
    attention.listening = True
    maps = attention.take_maps(discriminator(images))
    assert maps is not None and maps.shape == (2, 1, 7, 7) and not maps.requires_grad
    assert np.abs(maps.numpy() - reference(activation.detach().numpy())).max() < 1e-5
    for handle in handles:
        handle.remove()


def test_the_activation_tap_reads_the_activation_after_it(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator, images = make_discriminator(), torch.rand(2, 3, 64, 64)
    activation = discriminator[:11](images).detach()
    attention = PostHocAttention.from_options(PostHocAttention.Options(), GuideConfig(tap="activation", border=0))
    attention.attach(discriminator)
    attention.listening = True
    maps = attention.take_maps(discriminator(images))
    assert maps is not None and np.abs(maps.numpy() - reference(activation.numpy())).max() < 1e-5
    assert attention.place == "10 (LeakyReLU)"


def test_nothing_is_recorded_while_nobody_listens(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention()
    attention.attach(discriminator)
    assert attention.take_maps(discriminator(torch.rand(1, 3, 64, 64))) is None


def test_maps_are_taken_once(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention()
    attention.attach(discriminator)
    attention.listening = True
    prediction = discriminator(torch.rand(1, 3, 64, 64))
    assert attention.take_maps(prediction) is not None and attention.take_maps(prediction) is None


def test_an_unknown_signal_is_refused_listing_the_known() -> None:
    with pytest.raises(
        ConfigError, match=r"signal 'gradients'.*known are: activation, gradcam, gradient; .*--guide_signal"
    ):
        PostHocAttention.from_options(PostHocAttention.Options(), GuideConfig(signal="gradients"))


def test_maps_of_several_scales_have_an_equal_say_at_the_size_of_the_largest() -> None:
    large, small = torch.rand(2, 1, 6, 6), torch.rand(2, 1, 3, 3)
    small[1] = 1  # the placeholder says nothing
    enlarged = torch.nn.functional.interpolate(small, (6, 6), mode="bilinear", align_corners=False)
    assert torch.allclose(average([small, large]), min_max(large + enlarged), atol=1e-6)
    assert torch.allclose(average([large, small])[1], min_max(large)[1], atol=1e-6)
    assert average([large]) is large


def test_replicas_are_joined_in_batch_order_whoever_finishes_first() -> None:
    parts: dict[int | None, torch.Tensor] = {2: torch.full((1, 1), 2.0), 0: torch.full((3, 1), 0.0)}
    assert in_batch_order(parts, [0, 2, 3]).flatten().tolist() == [0, 0, 0, 2]
    assert in_batch_order(parts, [2, 0]).flatten().tolist() == [2, 0, 0, 0]
    assert in_batch_order({None: parts[2]}, ()) is parts[2]


def test_a_data_parallel_wrapper_on_the_cpu_is_the_network_itself(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator, images = make_discriminator(), torch.rand(2, 3, 64, 64)
    attention = PostHocAttention()
    attention.attach(nn.DataParallel(discriminator))
    attention.listening = True
    maps = attention.take_maps(nn.DataParallel(discriminator)(images))
    assert maps is not None and maps.shape == (2, 1, 7, 7)
