"""Under ``torch.compile`` the hooks stay outside the graph, and the tap's reduction is part of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.guide import Guide

Make = Callable[..., nn.Module]

pytestmark = [
    pytest.mark.slow,
    # Dynamo itself looks at the gradient of an input that is no leaf.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]


class CountingBackend:
    """Runs graphs as they are and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


def train(generator: Any, discriminator: Any, guide: Guide | None) -> None:
    """Four steps whose D calls differ as in a training: frozen on the fake, free on real and detached fake."""
    for index in range(4):
        source = torch.full((2, 3, 64, 64), index / 4)
        if guide is not None:
            guide.bind(source, ["a", "b"])
        discriminator.requires_grad_(False)
        fake = generator(source)
        discriminator(fake).mean().backward()
        discriminator.requires_grad_(True)
        discriminator(torch.ones(2, 3, 64, 64))
        discriminator(fake.detach())


@pytest.mark.parametrize(
    "options", [{}, {"concat": "alpha"}, {"transfer": "conv"}, {"attention": "tam"}], ids=lambda options: str(options)
)
@pytest.mark.parametrize("attached", ["before", "after"])
def test_guidance_adds_no_graph_and_stores_the_same_maps(
    make_generator: Make, make_discriminator: Make, attached: str, options: dict[str, Any]
) -> None:
    networks = make_generator(), make_discriminator()
    graphs, maps = {}, {}
    for way in ("bare", "eager", attached):
        torch._dynamo.reset()
        torch.manual_seed(0)
        generator, discriminator = copy.deepcopy(networks)
        backend, guide, config = CountingBackend(), None, GuideConfig(**options)
        if way in ("before", "eager"):
            guide = attach(generator, discriminator, config)
        if way != "eager":
            wrappers = [torch.compile(network, backend=backend) for network in (generator, discriminator)]
            if way == "before":
                assert guide is not None and not guide.is_on(*wrappers)  # type: ignore[arg-type]
                guide.follow(*wrappers)  # type: ignore[arg-type]
                assert guide.is_on(*wrappers)  # type: ignore[arg-type]
            elif way == "after":
                guide = attach(*wrappers, config)  # type: ignore[arg-type]
            train(*wrappers, guide)
        else:
            train(generator, discriminator, guide)
        graphs[way] = backend.graphs
        if guide is not None:
            maps[way] = guide.maps(["a", "b"])[0]
            guide.detach()
    assert graphs[attached] == graphs["bare"]
    assert torch.allclose(maps[attached], maps["eager"], atol=1.5 / 255)


@pytest.mark.parametrize("options", [{}, {"concat": "alpha"}, {"attention": "tam"}], ids=lambda options: str(options))
@pytest.mark.parametrize("way", ["the wrappers", "followed", "in place", "others of the same classes"])
def test_networks_that_ran_compiled_before_are_guided_and_given_back(
    make_generator: Make, make_discriminator: Make, way: str, options: dict[str, Any]
) -> None:
    torch._dynamo.reset()
    plain = make_generator(), make_discriminator()
    judged = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = [network(judged) for network in plain]
    called: list[Any] = [torch.compile(network, backend="eager") for network in plain]
    if way == "in place":
        for network in plain:
            network.compile(backend="eager")
        called = list(plain)
    train(*called, None)
    if way == "others of the same classes":
        plain = copy.deepcopy(plain)
        called = [torch.compile(network, backend="eager") for network in plain]
    guide = attach(*(plain if way == "followed" else called), GuideConfig(**options))
    if way == "followed":
        guide.follow(*called)
    train(*called, guide)
    assert guide.statistics()["visits"] == 8 and guide.maps(["a", "b"])[1].all()
    guide.detach()
    with torch.no_grad():
        assert all(torch.equal(one(judged), wanted) for one, wanted in zip(called, expected, strict=True))
