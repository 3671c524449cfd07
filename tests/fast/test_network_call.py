"""Calls in bfloat16 and compiled: float32 comes out, the guidance stays outside, and what fails runs as before."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.fast.network_call import FastCall
from guidegan_plugin.guidance.calls.call_site import add_call_site

Make = Callable[..., nn.Module]


def train(generator: nn.Module, discriminator: nn.Module, config: GuideConfig, toy_training: Any) -> list[Tensor]:
    """Three steps; the fakes, and the remembered maps where there are some."""
    torch.manual_seed(0)  # of new networks, too
    guide = attach(generator, discriminator, config)
    training, fakes = toy_training(generator, discriminator), []
    for index in range(3):
        torch.manual_seed(index)
        source = torch.rand(2, 3, 64, 64)
        guide.bind(source, ["a", "b"])
        fakes.append(training.step(source, torch.rand(2, 3, 64, 64)).detach())
    maps = [guide.maps(["a", "b"])[0]] if config.attention != "none" else []
    guide.detach()
    return [*fakes, *maps]


@pytest.mark.parametrize("options", [{"attention": "none"}, {}, {"attention": "tam"}, {"signal": "gradcam"}], ids=str)
def test_bfloat16_gives_finite_float32_near_the_precise_ones(
    make_generator: Make, make_discriminator: Make, toy_training: Any, options: dict[str, Any]
) -> None:
    networks, results = (make_generator(), make_discriminator()), []
    for fast in ("off", "bf16"):
        results.append(train(*copy.deepcopy(networks), GuideConfig(**options, fast=fast), toy_training))
    for precise, rounded in zip(*results, strict=True):
        assert rounded.dtype == torch.float32 and rounded.isfinite().all()
        assert not torch.equal(precise, rounded) and (precise - rounded).abs().mean() < 0.02


class Nested(nn.Module):
    """Answers with features, a number and a flag."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"features": [self.layer(x)], "count": 3, "mask": x > 0}


def test_every_output_of_bfloat16_is_float32_and_others_are_as_they_were() -> None:
    network = Nested()
    add_call_site(network, "forward", FastCall(bf16=True), object())
    answer = network(torch.ones(1, 2))
    assert answer["features"][0].dtype == torch.float32 and answer["count"] == 3 and answer["mask"].dtype == torch.bool


def test_a_network_in_eval_mode_and_a_copy_compute_as_ever(make_generator: Make) -> None:
    network, images = make_generator(), torch.rand(1, 3, 16, 16)
    precise = network(images)
    add_call_site(network, "forward", FastCall(bf16=True), object())
    assert not torch.equal(network(images), precise)
    assert torch.equal(copy.deepcopy(network)(images), precise)
    assert torch.equal(pickle.loads(pickle.dumps(network))(images), precise)
    assert torch.equal(network.eval()(images), precise)


class CountingBackend:
    """Runs graphs as they are and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingBackend]:
    """In place of the real compiler, which takes minutes."""
    found, compile_with = CountingBackend(), torch.compile
    monkeypatch.setattr(torch, "compile", lambda method, mode=None: compile_with(method, backend=found))
    torch._dynamo.reset()
    yield found
    torch._dynamo.reset()


@pytest.mark.slow
# Dynamo itself looks at the gradient of an input that is no leaf.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("fast", ["compile", "compile,bf16,activations"])
@pytest.mark.parametrize("options", [{}, {"concat": "alpha"}, {"attention": "tam"}, {"transfer": "conv"}], ids=str)
def test_guidance_adds_no_graph_to_compiled_calls(
    make_generator: Make,
    make_discriminator: Make,
    toy_training: Any,
    backend: CountingBackend,
    options: dict[str, Any],
    fast: str,
) -> None:
    networks, graphs, maps = (make_generator(), make_discriminator()), {}, {}
    eager = fast.replace("compile,", "").replace("compile", "off")
    for way, config in {
        "bare": GuideConfig(attention="none", fast=fast),
        "compiled": GuideConfig(**options, fast=fast),
        "eager": GuideConfig(**options, fast=eager),
    }.items():
        torch._dynamo.reset()
        backend.graphs = 0
        results = train(*copy.deepcopy(networks), config, toy_training)
        graphs[way], maps[way] = backend.graphs, results[-1]
    assert graphs["compiled"] == graphs["bare"] > 0 and graphs["eager"] == 0
    assert torch.allclose(maps["compiled"], maps["eager"], atol=2.5 / 255)


def test_what_cannot_be_compiled_runs_as_before_and_says_so_once(
    make_generator: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(method: Callable[..., Any], mode: str | None = None) -> Callable[..., Any]:
        def run(*args: object) -> None:
            raise RuntimeError("no C++\ncompiler")

        return run

    monkeypatch.setattr(torch, "compile", refuses)
    network, images = make_generator(), torch.rand(1, 3, 16, 16)
    precise = network(images)
    add_call_site(network, "forward", FastCall(compiled=True), object())
    with caplog.at_level(logging.WARNING):
        assert torch.equal(network(images), precise) and torch.equal(network(images), precise)
    assert [record.getMessage() for record in caplog.records] == [
        "fast: Sequential cannot be compiled and runs as before (RuntimeError: no C++ compiler)"
    ]


def test_graphs_outputs_belong_to_the_caller(make_generator: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, modes = torch.zeros(1, 3, 16, 16), []

    def overwriting(method: Callable[..., Any], mode: str | None = None) -> Callable[..., Any]:
        modes.append(mode)
        return lambda images: memory.copy_(method(images).detach())

    monkeypatch.setattr(torch, "compile", overwriting)
    network = make_generator()
    add_call_site(network, "forward", FastCall(graphs=True), object())
    first, kept = network(torch.rand(1, 3, 16, 16)), memory.clone()
    network(torch.rand(1, 3, 16, 16))
    assert torch.equal(first, kept) and not torch.equal(first, memory) and modes == ["reduce-overhead"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_network_that_the_host_compiles_later_is_blended_once(make_generator: Make, make_discriminator: Make) -> None:
    torch._dynamo.reset()
    networks, backend, results = (make_generator(), make_discriminator()), CountingBackend(), {}
    for fast in ("off", "bf16"):
        generator, discriminator = copy.deepcopy(networks)
        guide = attach(generator, discriminator, GuideConfig(fast=fast))
        wrappers = [torch.compile(network, backend=backend) for network in (generator, discriminator)]
        guide.follow(*wrappers)
        torch.manual_seed(0)
        results[fast] = wrappers[0](torch.rand(1, 3, 64, 64)).detach()
    torch._dynamo.reset()
    assert torch.allclose(results["off"], results["bf16"], atol=1e-6)
