"""Without keys G runs twice in a step: guided by a map of the same batch, and the host notices nothing of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.guide import Guide

Make = Callable[..., nn.Module]


@pytest.fixture
def source() -> Tensor:
    return torch.rand(2, 3, 64, 64) * 2 - 1


def noticing_generator() -> nn.Sequential:
    """With everything a forward leaves traces in: running statistics, power iterations, random numbers."""
    first = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3, padding=1))
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 3, 3, padding=1), nn.Tanh())


def test_the_blended_map_is_where_d_looks_on_the_translation_with_ones(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide, seen = attach(generator, discriminator, memory="batch"), []
    generator[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    for _ in range(2):
        guide.bind(source)
        first = generator.forward(2 * source)
        expected = nn.functional.interpolate(guide.look(first)[1], (64, 64), mode="bilinear", align_corners=False)
        seen.clear()
        fake = generator(source)
        assert torch.equal(seen[0], 2 * source) and torch.allclose(seen[1], (1 + expected) * source, atol=1e-6)
        generator(source)
        assert len(seen) == 3 and torch.equal(seen[1], seen[2]), "one look a visit"
        discriminator(fake)
    assert len(guide.store) == 0 and guide.latest is not None


def test_only_the_bound_source_in_training_is_looked_at_first(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator, calls = make_generator(), make_discriminator(), []
    guide = attach(generator, discriminator, memory="batch")
    generator[0].register_forward_pre_hook(lambda *_: calls.append(1))
    guide.bind(source, keys=["keys", "are ignored"])
    generator(source * 1)
    generator.eval()(source)
    assert len(calls) == 2


def test_statistics_iterations_random_numbers_and_gradients_are_the_hosts(
    make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = noticing_generator(), make_discriminator()
    discriminator[3] = nn.BatchNorm2d(8)
    bare, judge = copy.deepcopy(generator), copy.deepcopy(discriminator)
    guide = attach(generator, discriminator, memory="batch")
    guide.bind(source)
    state = torch.get_rng_state()
    fake = generator(source)
    after = torch.get_rng_state()
    blended = nn.functional.interpolate(guide_maps(guide), (64, 64), mode="bilinear", align_corners=False)
    torch.set_rng_state(state)
    assert torch.equal(bare(torch.addcmul(source, source, blended)), fake), "the same dropout"
    assert torch.equal(torch.get_rng_state(), after)
    for guided, plain in ((generator, bare), (discriminator, judge)):
        assert all(torch.equal(one, other) for one, other in zip(guided.buffers(), plain.buffers(), strict=True))
    discriminator(fake).mean().backward()
    assert generator[3].weight.grad is not None


def guide_maps(guide: Guide) -> Tensor:
    visit = guide.binding.current("A")
    assert visit is not None and visit.maps is not None
    return visit.maps


def test_weights_autocast_in_the_look_still_get_their_gradients(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator, memory="batch")
    guide.bind(source)
    with torch.autocast("cpu", torch.bfloat16):
        (discriminator(generator(source)).float() - 1).pow(2).mean().backward()
    assert all(parameter.grad is not None for net in (generator, discriminator) for parameter in net.parameters())


def test_a_conditional_discriminator_needs_to_be_told_what_it_judges(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = make_generator(), make_discriminator(6)
    with attach(generator, discriminator, memory="batch") as guide:
        guide.bind(source)
        with pytest.raises(ConfigError, match=r"cannot judge \(2, 3, 64, 64\).*change judged=.*torch.cat"):
            generator(source)
    judged: list[Any] = []

    def both(images: Tensor, fake: Tensor) -> Tensor:
        judged.append(images)
        return torch.cat([images, fake], 1)

    guide = attach(generator, discriminator, memory="batch", judged=both)
    guide.bind(source)
    generator(source)
    assert judged[0] is source and guide_maps(guide).shape == (2, 1, 7, 7)


def test_alpha_and_generators_with_further_arguments_and_results(make_discriminator: Make, source: Tensor) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, images: Tensor, code: Tensor, *, strength: float) -> tuple[Tensor, Tensor]:
            return self.convolution(images) + strength * code[:, :, None, None], code

    generator, discriminator = Noisy(), make_discriminator()
    guide = attach(generator, discriminator, GuideConfig(concat="alpha"), memory="batch")
    guide.bind(source)
    assert generator(source, torch.rand(2, 3), strength=0.1)[0].shape == source.shape
    assert guide_maps(guide).shape == (2, 1, 7, 7)


def test_keys_are_asked_for_where_they_are_needed_and_other_memories_refused(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    with pytest.raises(ConfigError, match="memory: expected image or batch, found 'none'"):
        attach(generator, discriminator, memory="none")
    with pytest.raises(ConfigError, match=r"keys are missing; change keys=, or attach\(memory='batch'\)"):
        attach(generator, discriminator).bind(source)


def test_collated_numbers_are_keys(make_generator: Make, make_discriminator: Make, source: Tensor) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator)
    guide.bind(source, torch.tensor([4, 2]))
    discriminator(generator(source))
    assert guide.maps(["4", "2"])[1].all()


class Masked(nn.Module):
    """Returns a mask beside the translation."""

    def __init__(self, translate: nn.Module, channels: int) -> None:
        super().__init__()
        self.translate, self.channels = translate, channels

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        image = self.translate(images)
        return torch.zeros_like(image[:, : self.channels]), image


def test_d_looks_at_the_output_that_it_was_seen_to_judge(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = Masked(make_generator(), 3), make_discriminator()
    guide = attach(generator, discriminator, memory="batch")
    guide.bind(source)
    discriminator(generator(source)[1]).mean().backward()
    looked_at: list[Tensor] = []
    discriminator[0].register_forward_pre_hook(lambda _, args: looked_at.append(args[0].detach()))
    guide.bind(again := source.clone())
    generator(again)
    expected = generator.translate(2 * source)
    assert torch.allclose(looked_at[0], expected, atol=1e-6) and len(looked_at) == 1


def test_before_it_judged_any_output_d_looks_at_one_that_it_can_judge(
    make_generator: Make, make_discriminator: Make, source: Tensor
) -> None:
    generator, discriminator = Masked(make_generator(), 1), make_discriminator()
    guide = attach(generator, discriminator, memory="batch")
    guide.bind(source)
    generator(source)
    assert torch.equal(guide_maps(guide), guide.look(generator.translate(2 * source))[1])


class Conditional(nn.Module):
    """Given a target beside the images."""

    def __init__(self, translate: nn.Module) -> None:
        super().__init__()
        self.translate = translate

    def forward(self, images: Tensor, target: Any, *, options: dict[str, Any] | None = None) -> Tensor:
        return self.translate(images + torch.as_tensor(target)[..., None, None, None])


@pytest.mark.parametrize("target", [torch.tensor([0.0, 1.0]), 0.5, np.full(2, 0.25, np.float32)])
def test_each_target_is_looked_at_for_itself_and_once(
    make_generator: Make, make_discriminator: Make, source: Tensor, target: Any
) -> None:
    generator, discriminator = Conditional(make_generator()), make_discriminator()
    guide, looks = attach(generator, discriminator, memory="batch"), []
    discriminator.register_forward_pre_hook(lambda *_: looks.append(1))
    guide.bind(source)
    for number, other in enumerate((target, target * 4), 1):
        for again in (other, other.detach() if isinstance(other, Tensor) else other):
            generator(source, again, options={"a": [again]})
            made = generator.translate(2 * source + torch.as_tensor(other)[..., None, None, None])
            assert torch.allclose(guide_maps(guide), guide.look(made)[1], atol=1e-5)
        assert len(looks) == 3 * number, "one for the maps of both calls, and two of the test's own"
    if isinstance(target, Tensor):
        target.mul_(2)
        generator(source, target)
        assert len(looks) == 7, "it was written to"
