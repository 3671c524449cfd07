"""Activations behind an instance norm: out of place they are bit-equal and take five launches less."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.fast.out_of_place import in_place_activations

Make = Callable[..., nn.Module]

# They change how memory is looked at, or ask for some, and launch nothing.
_NO_LAUNCH = {
    "view",
    "detach",
    "as_strided",
    "expand",
    "squeeze",
    "unsqueeze",
    "empty",
    "new_empty_strided",
    "alias",
    "t",
}


class Launches(TorchDispatchMode):
    """Counts the operations that launch a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ not in _NO_LAUNCH
        return func(*args, **(kwargs or {}))


def launches(network: nn.Module, size: int) -> int:
    for parameter in network.parameters():
        parameter.grad = None
    with Launches() as counted:
        network(torch.empty(1, 3, size, size, device="meta")).sum().backward()
    return counted.count


@pytest.mark.parametrize(("name", "activations"), [("resnet_9blocks", 14), ("basic", 3)])
def test_each_activation_takes_five_launches_less(networks: ModuleType, name: str, activations: int) -> None:
    judges = name == "basic"
    made = networks.define_D(3, 8, name, norm="instance") if judges else networks.define_G(3, 3, 8, name, "instance")
    network = made.to("meta")
    found = in_place_activations(network)
    before = launches(network, 64)
    for module in found:
        module.inplace = False
    assert len(found) == activations
    assert before - launches(network, 64) == 5 * activations


def test_gradients_are_bit_equal(networks: ModuleType) -> None:
    for network, channels in (
        (networks.define_G(3, 3, 4, "resnet_6blocks", "instance"), 3),
        (networks.define_D(3, 4, "basic", norm="instance"), 3),
        (networks.define_G(3, 3, 4, "unet_128", "instance"), 3),
    ):
        other = copy.deepcopy(network)
        for module in in_place_activations(other):
            module.inplace = False
        images = torch.rand(2, channels, 128, 128)
        outputs = [one(images) for one in (network, other)]
        for output in outputs:
            output.square().sum().backward()
        assert torch.equal(*outputs)
        for left, right in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(left.grad, right.grad)


def test_a_u_nets_skip_connections_go_on_showing_what_was_overwritten(networks: ModuleType) -> None:
    unet = networks.define_G(3, 3, 4, "unet_128", "instance")
    first_of_blocks = [block.model[0] for block in unet.modules() if type(block).__name__.startswith("UnetSkip")]
    assert not {*in_place_activations(unet)} & {*first_of_blocks}


def test_only_what_is_bit_equal_by_construction_is_found() -> None:
    shared, relu, sub = nn.ReLU(True), nn.ReLU(True), type("Own", (nn.ReLU,), {})(True)
    norm = nn.InstanceNorm2d(4)
    seen = nn.InstanceNorm2d(4)
    seen.register_forward_hook(lambda *_: None)
    network = nn.Sequential(
        *(norm, relu, nn.Conv2d(4, 4, 1), shared, nn.InstanceNorm2d(4), shared),
        *(nn.InstanceNorm2d(4), nn.ELU(inplace=True), nn.InstanceNorm2d(4), nn.ReLU(), nn.InstanceNorm2d(4), sub),
        *(nn.BatchNorm2d(4), nn.ReLU(True), seen, nn.ReLU(True)),
    )
    assert in_place_activations(network) == [relu]


@pytest.mark.parametrize("signal", ["activation", "gradient", "gradcam"])
@pytest.mark.parametrize("tap", ["conv", "activation"])
def test_the_tapped_layer_gives_the_same_map(
    make_generator: Make, make_discriminator: Make, toy_training: Any, signal: str, tap: str
) -> None:
    networks, maps, weights = (make_generator(), make_discriminator()), {}, {}
    for fast in ("off", "activations"):
        generator, discriminator = copy.deepcopy(networks)
        training = toy_training(generator, discriminator)
        guide = attach(generator, discriminator, GuideConfig(signal=signal, tap=tap, fast=fast, store_dtype="float32"))
        for index in range(3):
            torch.manual_seed(index)
            source = torch.rand(2, 3, 64, 64)
            guide.bind(source, ["a", "b"])
            training.step(source, torch.rand(2, 3, 64, 64))
        maps[fast], weights[fast] = guide.maps(["a", "b"])[0], [*generator.parameters(), *discriminator.parameters()]
    assert torch.equal(maps["off"], maps["activations"]) and maps["off"].std() > 0
    assert all(map(torch.equal, weights["off"], weights["activations"]))


def test_a_guided_network_that_is_a_sequential_itself_is_searched(
    make_generator: Make, make_discriminator: Make
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    with attach(generator, discriminator):
        assert len(in_place_activations(generator)) == 1 and len(in_place_activations(discriminator)) == 3


class Walked(nn.Module):
    """A generator that walks through its layers and keeps what each of them returned, as a loss of features asks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 3, 3))

    def forward(self, images: Tensor) -> list[Tensor]:
        kept = [images]
        for layer in self.layers:
            kept.append(layer(kept[-1]))
        return kept


def test_a_network_that_walks_through_its_layers_is_left_alone() -> None:
    assert in_place_activations(Walked()) == []


def test_a_network_that_only_calls_its_layers_is_not() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Walked().layers

        def forward(self, images: Tensor) -> Tensor:
            return self.layers(images)

    network = Own()
    assert in_place_activations(network) == [network.layers[2]]
