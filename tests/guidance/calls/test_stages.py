"""A generator that is entered at one method and left at another: its fake is what the exit makes of a visit's code."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.guidance.guide import Guide

KEYS = ["a", "b"]


class Coder(nn.Module):
    """MUNIT: an image has a content and a style."""

    def __init__(self) -> None:
        super().__init__()
        self.content = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.decoder = nn.Conv2d(4, 3, 3, padding=1)
        self.seen: list[Tensor] = []

    def encode(self, images: Tensor) -> dict[str, Any]:
        self.seen.append(images.detach())
        return {"codes": [self.content(images), images.mean((2, 3))], "size": images.shape[-1]}

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        made: Tensor = torch.tanh(self.decoder(content) + style[:, :, None, None])
        return made


@pytest.fixture
def coders() -> tuple[Coder, Coder]:
    return Coder(), Coder()


@pytest.fixture
def judge() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 1, 4, 2, 1))


def config(**options: Any) -> GuideConfig:
    return GuideConfig(layer=1, store_dtype="float32", **options)


def guide_both(coders: tuple[Coder, Coder], judges: tuple[nn.Module, nn.Module]) -> tuple[Guide, Guide]:
    a, b = coders
    first = attach((a.encode, b.decode), judges[0], config(), name="A")
    return first, attach((b.encode, a.decode), judges[1], config(), name="B", beside=first)


def images(value: float = 0.5) -> Tensor:
    return torch.rand(2, 3, 16, 16) * value


def test_two_pairs_cross_over_and_every_other_way_through_the_networks_is_free(
    coders: tuple[Coder, Coder], judge: nn.Module
) -> None:
    a, b = coders
    one, other = guide_both(coders, (judge, nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1))))
    batches = images(), images()
    one.bind(batches[0], KEYS)
    other.bind(batches[1], ["c", "d"])
    (content_a, style_a), (_, style_b) = a.encode(batches[0])["codes"], b.encode(batches[1])["codes"]
    own = a.decode(content_a, style_a)
    judge(own)
    assert one.statistics()["visits"] == 0, "a reconstruction within the domain is no translation"
    fake = b.decode(content_a, style_b)
    again = b.encode(fake)["codes"]
    judge(a.decode(again[0], style_a))
    assert one.statistics()["visits"] == 0, "neither is a cycle, though it shares the style"
    judge(fake)
    assert one.statistics()["visits"] == 2 and other.statistics()["visits"] == 0
    assert torch.allclose(b.seen[1], 2 * fake.detach(), atol=1e-6), "a re-encoding is given the placeholder"


@pytest.mark.parametrize("change", ["noise", "scaled", "joined", "moved"])
def test_noise_may_be_added_to_the_code_and_the_code_may_be_moved(
    coders: tuple[Coder, Coder], judge: nn.Module, change: str
) -> None:
    a, b = coders
    with attach((a.encode, b.decode), judge, config()) as guide:
        source = images()
        guide.bind(source, KEYS)
        content, _ = a.encode(source)["codes"]
        changed = {
            "noise": lambda code: code + torch.randn_like(code),
            "scaled": lambda code: 0.5 * code - 1,
            "joined": lambda code: torch.cat([torch.zeros_like(code), code])[2:],
            "moved": lambda code: code.to(torch.float64).float(),
        }[change](content)
        judge(b.decode(changed, torch.zeros(2, 3)))
        assert guide.statistics()["visits"] == 2


def test_without_gradient_the_very_code_is_known(coders: tuple[Coder, Coder], judge: nn.Module) -> None:
    a, b = coders
    with attach((a.encode, b.decode), judge, config()) as guide, torch.no_grad():
        source = images()
        guide.bind(source, KEYS)
        fake = b.decode(*a.encode(source)["codes"])
        assert guide.binding.translation("A") is fake


def test_the_memory_is_read_at_the_entry_alone(coders: tuple[Coder, Coder], judge: nn.Module) -> None:
    a, b = coders
    with attach((a.encode, b.decode), judge, config()) as guide:
        for _ in range(2):
            source = torch.full((2, 3, 16, 16), 0.25)
            guide.bind(source, KEYS)
            maps = guide.maps(KEYS)[0]
            judge(b.decode(*a.encode(source)["codes"]))
        assert maps.shape[-1] == 8 and len(b.seen) == 0
        full = nn.functional.interpolate(maps, (16, 16), mode="bilinear", align_corners=False)
        assert torch.allclose(a.seen[1], (full + 1) * 0.25, atol=1e-5)
    assert type(a) is Coder and type(b) is Coder


def test_a_method_alone_names_a_generator_that_is_called_otherwise(judge: nn.Module) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def translate(self, given: Tensor) -> Tensor:
            made: Tensor = self.conv(given)
            return made

    net = Named()
    with attach(net.translate, judge, config()) as guide:
        source = images()
        guide.bind(source, KEYS)
        judge(net.translate(source))
        assert guide.statistics()["visits"] == 2 and guide.pair["generator"] == "Named:translate"


def test_a_judge_may_be_met_at_a_method_of_its_own(coders: tuple[Coder, Coder]) -> None:
    class Judge(nn.Sequential):
        def score(self, made: Tensor) -> Tensor:
            return super().forward(made)

    judge, net = Judge(nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 1, 1)), nn.Conv2d(3, 3, 1)
    with attach(net, judge.score, config()) as guide:
        source = images()
        guide.bind(source, KEYS)
        judge.score(net(source))
        assert guide.statistics()["visits"] == 2
        assert guide.look(source)[1].shape == (2, 1, 8, 8)


def test_an_exit_that_cannot_be_met_leaves_nothing(coders: tuple[Coder, Coder], judge: nn.Module) -> None:
    a, b = coders
    with pytest.raises(ConfigError, match="conv1"):
        attach((a.encode, b.decode), judge, GuideConfig(layer="conv1"))
    with pytest.raises(ConfigError, match="guided already"):
        other = attach(b.decode, judge, config())
        attach((a.encode, b.decode), judge, config())
    other.detach()
    assert type(a) is Coder and type(b) is Coder
    attach((a.encode, b.decode), judge, config()).detach()


@pytest.mark.parametrize("places", [(), ("encode", "decode", "decode")])
def test_neither_one_nor_two_places_are_refused_with_an_example(
    coders: tuple[Coder, Coder], judge: nn.Module, places: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=r"\(gen_a.encode, gen_b.decode\), found [03] places; change generator="):
        attach([getattr(coders[0], place) for place in places], judge, config())


def test_a_function_of_nobody_is_refused(judge: nn.Module) -> None:
    with pytest.raises(ConfigError, match=r"generator: expected a torch.nn.Module, found function; .*net.encode"):
        attach(lambda given: given, judge, config())


def test_maps_within_a_batch_need_a_generator_that_translates_in_one_call(
    coders: tuple[Coder, Coder], judge: nn.Module
) -> None:
    a, b = coders
    with pytest.raises(ConfigError, match="memory='batch' needs a generator that translates in one call"):
        attach((a.encode, b.decode), judge, config(), memory="batch")
    assert type(a) is Coder and type(b) is Coder


def train_a_little(coders: tuple[Coder, Coder], judge: nn.Module, guide: Guide, way: str) -> None:
    a, b = coders
    optimizer = torch.optim.SGD([*a.parameters(), *b.parameters()], 0.01)
    for _ in range(5):
        source = images()
        guide.bind(source, KEYS)
        content, _ = a.encode(source)["codes"]
        fake = (a if way == "other" else b).decode(content.relu() if way == "between" else content, torch.zeros(2, 3))
        optimizer.zero_grad()
        judge(fake).mean().backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        ("between", r"the exit of the generator was given the code only after the operation 'relu'"),
        ("other", r"nothing called the exit of the generator with what its entry returned"),
    ],
)
def test_an_exit_that_never_sees_the_code_is_said_once(
    coders: tuple[Coder, Coder], judge: nn.Module, way: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = coders
    with caplog.at_level(logging.WARNING), attach((a.encode, b.decode), judge, config()) as guide:
        train_a_little(coders, judge, guide, way)
    assert len(caplog.records) == 1
    assert cause in caplog.text and "generator= (entry..exit, --guide_pairs)" in caplog.text
    with attach((a.encode, b.decode), judge, config(strict=True)) as strict, pytest.raises(GuideError, match=cause):
        train_a_little(coders, judge, strict, way)
