"""What becomes of a guided generator that is exported, traced, scripted or compiled without its guide being told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import ConfigError, GuideConfig, attach

AUTO = getattr(torch.export.Dim, "AUTO", None)  # from torch 2.6 on
IMAGES, OTHERS = torch.rand(2, 3, 32, 40), torch.rand(4, 3, 64, 48)

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning"
)


def export(network: nn.Module) -> Callable[[Tensor], Tensor]:
    if AUTO is None:
        pytest.skip("this torch cannot export a network for sizes that it finds out by itself")
    free = ({0: AUTO, 2: AUTO, 3: AUTO},)
    return torch.export.export(network, (IMAGES,), dynamic_shapes=free).module()


def compile_in_place(network: nn.Module) -> nn.Module:
    network.compile(backend="eager")
    return network


WAYS: dict[str, Callable[[Any], Any]] = {
    "traced": lambda network: torch.jit.trace(network, IMAGES),
    "exported": export,
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "compiled in place": compile_in_place,
}


@pytest.fixture(params=["rhp", "alpha"])
def guided(request: pytest.FixtureRequest) -> Any:
    """A generator whose map of ones shows in its output, with its discriminator and their guide."""
    torch._dynamo.reset()
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)]
    generator, discriminator = nn.Sequential(*layers), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4))
    with torch.no_grad():
        bare = generator(OTHERS)
    guide = attach(generator, discriminator, GuideConfig(layer=1, concat=request.param))
    with torch.no_grad():
        generator[0].weight.add_(0.1)
    assert not torch.allclose(generator(OTHERS), bare, atol=0.1)
    yield generator, discriminator, guide
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("of", ["the network", "a copy"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_it_computes_what_test_time_does_at_any_batch_and_size(guided: Any, way: Callable[[Any], Any], of: str) -> None:
    network = guided[0].eval() if of == "the network" else copy.deepcopy(guided[0]).eval()
    wanted = network(OTHERS)
    assert torch.allclose(way(network)(OTHERS), wanted, atol=1e-6)


@pytest.mark.parametrize("of", ["the network", "a copy"])
def test_a_script_that_would_leave_out_the_map_is_refused(guided: Any, of: str) -> None:
    network = guided[0] if of == "the network" else copy.deepcopy(guided[0])
    with pytest.raises(ConfigError, match=r"Sequential cannot be scripted: .*guidegan bake"):
        torch.jit.script(network)


def test_detached_it_is_scripted(guided: Any) -> None:
    generator, _, guide = guided
    guide.detach()
    assert torch.equal(torch.jit.script(generator)(OTHERS), generator(OTHERS))


@pytest.mark.parametrize("when", ["before", "after"])
def test_networks_compiled_in_place_are_guided_and_given_back(guided: Any, when: str) -> None:
    generator, discriminator, guide = guided
    classes = type(copy.deepcopy(discriminator)), nn.Sequential
    if when == "before":
        guide.detach()
    for network in (generator, discriminator):
        network.compile(backend="eager")
    if when == "before":
        guide = attach(generator, discriminator, GuideConfig(layer=1))
    for _ in range(3):
        source = IMAGES.clone()
        guide.bind(source, ["a", "b"])
        discriminator(generator(source)).mean().backward()
    guide.bind(IMAGES, ["a", "b"])
    assert {name: guide.statistics()[name] for name in ("bound", "read", "judged")} == dict.fromkeys(
        ("bound", "read", "judged"), 3
    )
    average = copy.deepcopy(generator)
    assert torch.allclose(average.forward(OTHERS), generator.eval()(OTHERS), atol=1e-6)
    guide.detach()
    assert type(generator) is type(discriminator) is classes[1]
