from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.layers import convolutions, find_layer, find_layers, unwrap


def test_convolutions_count_from_one_in_order(networks: ModuleType) -> None:
    discriminator = networks.define_D(3, 8, "basic", 3, "instance")
    assert [find_layer(discriminator, t)[0] for t in range(1, 6)] == [f"model.{i}" for i in (0, 2, 5, 8, 11)]


def test_a_dotted_path_names_any_module(networks: ModuleType) -> None:
    discriminator = networks.define_D(3, 8, "basic", 3, "instance")
    path, module = find_layer(discriminator, "model.9")
    assert path == "model.9" and isinstance(module, nn.InstanceNorm2d)
    assert find_layer(discriminator, "model.8", "activation")[0] == "model.10"
    assert find_layer(discriminator, "model.10", "activation")[0] == "model.10"


def test_a_negative_number_in_a_path_counts_from_the_end() -> None:
    scales = nn.ModuleDict({"scales": nn.ModuleList([nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()) for _ in range(2)])})
    assert find_layer(scales, "scales.-1.-2")[0] == "scales.1.0"
    with pytest.raises(ConfigError, match=r"layer 'scales.-3.0' does not exist"):
        find_layer(scales, "scales.-3.0")


def test_a_unets_first_convolution_is_its_outermost(networks: ModuleType) -> None:
    generator = networks.define_G(3, 3, 4, "unet_128")
    assert convolutions(generator)[0][1].in_channels == 3


@pytest.mark.parametrize("layer", [6, "model.99", "nothing"])
def test_a_layer_that_does_not_exist_lists_those_there_are(networks: ModuleType, layer: int | str) -> None:
    discriminator = networks.define_D(3, 8, "basic", 3, "instance")
    with pytest.raises(ConfigError) as caught:
        find_layer(discriminator, layer)
    message = str(caught.value)
    assert "5 convolutions: 1 model.0 (3 to 8 channels), 2 model.2" in message and "--guide_layer" in message


def test_several_layers_are_separated_by_commas(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator = make_discriminator()
    wrapped = nn.ModuleDict({"model": discriminator})
    assert [path for path, _ in find_layers(wrapped, "model.0, 4")] == ["model.0", "model.8"]
    with pytest.raises(ConfigError, match=r"layer 9 does not exist.*--guide_layer"):
        find_layers(discriminator, "4,9")


def test_a_layer_without_activation_says_so(make_discriminator: Callable[..., nn.Module]) -> None:
    with pytest.raises(ConfigError, match=r"no activation follows layer 5 \(11\).*--guide_tap"):
        find_layer(make_discriminator(), 5, "activation")


def test_wrappers_do_not_matter(make_discriminator: Callable[..., nn.Module]) -> None:
    discriminator = make_discriminator()
    assert unwrap(torch.compile(nn.DataParallel(discriminator))) is discriminator  # type: ignore[arg-type]
    assert find_layer(nn.DataParallel(discriminator), 4)[1] is find_layer(discriminator, 4)[1]
