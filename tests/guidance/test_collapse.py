"""Maps that say nothing are told of once, with the likely cause."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import Guide, GuideConfig, StepReport, attach, hookimpl

Make = Callable[..., nn.Module]


def train(guide: Guide, generator: nn.Module, discriminator: nn.Module, batches: int, source: Tensor) -> None:
    for _ in range(batches):
        images = source.clone()
        guide.bind(images, ["a"])
        discriminator(generator(images)).mean().backward()
    guide.bind(images, ["a"])


@pytest.mark.parametrize("way", ["steps", "epoch"])
def test_weights_that_are_not_finite_are_named_once_and_the_map_is_the_placeholder(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    discriminator.get_extra_state = lambda: {"a module may": "keep what is no tensor"}  # type: ignore[method-assign]
    guide = attach(generator, discriminator)
    with torch.no_grad():
        next(discriminator.parameters()).fill_(torch.nan)
    train(guide, generator, discriminator, 201 if way == "steps" else 3, torch.rand(1, 3, 32, 32))
    if way == "epoch":
        guide.end_epoch()
        guide.end_epoch()
    assert caplog.text.count("no usable map") == 1
    assert ("in 50 of 50 batches" if way == "steps" else "in 3 of 3 batches") in caplog.text
    assert "the training has diverged" in caplog.text and "weight is not finite" in caplog.text
    assert (guide.maps(["a"])[0] == 1).all() and guide.statistics()["collapsed"] == 1


def test_a_constant_layer_is_named_as_such(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.zero_()
    train(guide, generator, discriminator, 2, torch.rand(1, 3, 32, 32))
    guide.end_epoch()
    assert "in 2 of 2 batches" in caplog.text and "the layer's output is constant" in caplog.text


def test_a_map_of_one_cell_asks_for_larger_crops(make_generator: Make, caplog: pytest.LogCaptureFixture) -> None:
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.Conv2d(4, 1, 1))
    generator = make_generator()
    guide = attach(generator, discriminator, GuideConfig(layer=1))
    train(guide, generator, discriminator, 1, torch.rand(1, 3, 8, 8))
    guide.end_epoch()
    assert "take larger crops" in caplog.text


def test_maps_with_a_range_are_no_reason_to_warn(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator)
    train(guide, generator, discriminator, 101, torch.rand(1, 3, 32, 32))
    guide.end_epoch()
    assert not caplog.records


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_images_that_are_judged_in_other_calls_or_not_at_all_are_not_taken_for_collapsed(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture, parts: int
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    heard: list[StepReport] = []

    class Listener:
        @hookimpl
        def guidegan_step_end(self, report: StepReport) -> None:
            heard.append(report)

    guide = attach(generator, discriminator, GuideConfig(store_dtype="float32"), [Listener()])
    for _ in range(3):
        guide.bind(images := torch.rand(4, 3, 32, 32), list("abcd"))
        fakes = generator(images).split(1)
        torch.stack([discriminator(fake).mean() for fake in fakes[:parts]]).sum().backward()
    guide.bind(torch.rand(4, 3, 32, 32), list("abcd"))
    guide.end_epoch()
    assert not caplog.records and guide.latest is not None and len(heard) == 3
    for maps in (guide.latest, *(report.maps for report in heard)):
        assert (maps.flatten(1).amin(1) < 1).tolist() == [row < parts for row in range(4)]
    assert torch.equal(guide.latest[:parts], guide.maps(list("abcd")[:parts])[0])
