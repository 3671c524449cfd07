"""How others train: mixed precision, memory formats, checkpointing, accumulation, averages, penalties."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.view import View

Make = Callable[..., nn.Module]
Networks = tuple[nn.Module, nn.Module]


@pytest.fixture
def pair(make_generator: Make, make_discriminator: Make) -> Networks:
    return make_generator(), make_discriminator()


@pytest.fixture
def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Sources and targets, the same images again and again in new tensors."""
    images = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    return iter([(images[0].clone(), images[1].clone()) for _ in range(9)])


def stored(guide: Guide) -> Tensor:
    """The maps of both images, checked to be maps."""
    maps, visited = guide.maps(["a", "b"])
    assert visited.all() and maps.isfinite().all() and maps.min() >= 0 and maps.max() <= 1
    return maps


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_bfloat16_autocast_with_a_gradient_scaler(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]], concat: str
) -> None:
    generator, discriminator = pair
    optimizer, scaler = torch.optim.Adam(generator.parameters()), torch.amp.GradScaler("cpu")
    guide = attach(generator, discriminator, GuideConfig(concat=concat), optimizers=[optimizer])
    before = generator[1].weight.detach().clone()
    for _ in range(2):
        source = next(batches)[0]
        guide.bind(source, ["a", "b"])
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = (discriminator(generator(source)).float() - 1).pow(2).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert stored(guide).std() > 0 and not torch.equal(generator[1].weight, before)


def test_channels_last_gives_the_same_map(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]], toy_training: Any
) -> None:
    plain = copy.deepcopy(pair)
    maps = []
    for networks, layout in ((plain, torch.contiguous_format), (pair, torch.channels_last)):
        generator, discriminator = (network.to(memory_format=layout) for network in networks)
        guide, training = attach(generator, discriminator), toy_training(generator, discriminator)
        for _ in range(2):
            source, target = (images.contiguous(memory_format=layout) for images in next(batches))
            guide.bind(source, ["a", "b"])
            training.step(source, target)
        maps.append(stored(guide))
    assert torch.allclose(*maps, atol=0.02)


class Checkpointed(nn.Module):
    """A network whose layers are run again in the backward pass instead of being kept."""

    def __init__(self, layers: nn.Module, reentrant: bool) -> None:
        super().__init__()
        self.layers, self.reentrant = layers, reentrant

    def forward(self, images: Tensor) -> Tensor:
        first, rest = self.layers[:2], self.layers[2:]
        images = first(images)
        return checkpoint(rest, images, use_reentrant=self.reentrant) if images.requires_grad else rest(images)


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_gives_the_same_maps_and_gradients(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]], reentrant: bool
) -> None:
    plain, images, results = copy.deepcopy(pair), torch.rand(2, 3, 64, 64), []
    for generator, discriminator in (plain, tuple(Checkpointed(network, reentrant) for network in pair)):
        guide = attach(generator, discriminator)
        for _ in range(2):
            generator.zero_grad()
            source = images.clone().requires_grad_()  # what a reentrant checkpoint in G asks for
            guide.bind(source, ["a", "b"])
            (discriminator(generator(source)) - 1).pow(2).mean().backward()
        assert guide.statistics()["visits"] == 4
        results.append([stored(guide), *(parameter.grad for parameter in generator.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_a_checkpointed_call_of_the_whole_generator_is_recognised(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]]
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator)
    for _ in range(2):
        source = next(batches)[0]
        guide.bind(source, ["a", "b"])
        discriminator(checkpoint(generator, source, use_reentrant=False)).mean().backward()
    assert guide.statistics()["visits"] == 4 and stored(guide).std() > 0


def test_accumulated_gradients_write_every_part_of_the_batch(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]]
) -> None:
    generator, discriminator = pair
    guide, optimizer = attach(generator, discriminator), torch.optim.Adam(generator.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        for key, source in zip("ab", next(batches)[0].split(1), strict=True):
            guide.bind(source, [key])
            ((discriminator(generator(source)) - 1).pow(2).mean() / 2).backward()
        optimizer.step()
    assert stored(guide).std() > 0 and guide.statistics()["visits"] == 4


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_an_averaged_generator_follows_and_computes_what_test_time_does(
    pair: Networks, batches: Iterator[tuple[Tensor, Tensor]], toy_training: Any, concat: str
) -> None:
    generator, discriminator = pair
    guide, training = attach(generator, discriminator, GuideConfig(concat=concat)), toy_training(*pair)
    average = torch.optim.swa_utils.AveragedModel(generator, avg_fn=lambda mean, new, _: new)
    for source, target in (next(batches), next(batches)):
        guide.bind(source, ["a", "b"])
        training.step(source, target)
        average.update_parameters(generator)
        average(source)
    source = next(batches)[0]
    guide.bind(source, ["a", "b"])
    assert guide.statistics()["visits"] == 4
    assert torch.equal(average.eval()(source), generator.eval()(source))


def penalty(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Squared gradient norms, as WGAN-GP and R1 take them."""
    gradient = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)[0]
    return gradient.pow(2).sum((1, 2, 3)).mean()


@pytest.mark.parametrize("style", ["wgan-gp", "r1", "r1 of a scaled real"])
def test_penalties_write_no_map(pair: Networks, batches: Iterator[tuple[Tensor, Tensor]], style: str) -> None:
    generator, discriminator = pair
    guide, optimizer = attach(generator, discriminator), torch.optim.Adam(discriminator.parameters())
    source, target = next(batches)
    guide.bind(source, ["a", "b"])
    fake = generator(source)
    if style == "wgan-gp":
        weight = torch.rand(2, 1, 1, 1)
        judged = (weight * target + (1 - weight) * fake.detach()).requires_grad_()
    else:
        judged = target.requires_grad_() if style == "r1" else target.requires_grad_() * 0.5
    optimizer.zero_grad()
    (discriminator(fake.detach()).mean() - discriminator(target).mean() + penalty(discriminator, judged)).backward()
    optimizer.step()
    assert len(guide.store) == 0
    (-discriminator(fake).mean()).backward()
    stored(guide)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpointed_call_that_outlives_its_visit_is_refused(pair: Networks, reentrant: bool) -> None:
    generator, discriminator = pair
    guide, losses = attach(generator, discriminator), []
    for _ in range(2):
        source = torch.rand(2, 3, 64, 64, requires_grad=True)
        guide.bind(source, ["a", "b"])
        losses.append((source, discriminator(checkpoint(generator, source, use_reentrant=reentrant)).mean()))
    with pytest.raises(GuideError, match=r"computed again .* call backward\(\) before the next bind"):
        torch.stack([loss for _, loss in losses]).sum().backward()


@pytest.mark.parametrize("loader", ["views of one tensor", "one buffer"])
def test_a_checkpointed_identity_pass_is_no_lost_call_wherever_the_batches_lie(
    make_generator: Make, make_discriminator: Make, loader: str
) -> None:
    pairs = {name: (make_generator(), make_discriminator()) for name in "AB"}
    first = attach(*pairs["A"], name="A")
    guides = [first, attach(*pairs["B"], name="B", beside=first)]
    generator, discriminator = pairs["A"]
    whole, buffers = [torch.rand(6, 3, 64, 64) for _ in "AB"], [torch.empty(2, 3, 64, 64) for _ in "AB"]
    for sources in zip(*[images.split(2) for images in whole], strict=True):
        if loader == "one buffer":
            sources = tuple(buffer.copy_(batch) for buffer, batch in zip(buffers, sources, strict=True))
        for guide, source in zip(guides, sources, strict=True):
            guide.bind(source, ["a", "b"])
        identity = checkpoint(generator, sources[1], use_reentrant=False)
        (discriminator(generator(sources[0])).mean() + (identity - sources[1]).abs().mean()).backward()
    assert first.statistics()["visits"] == 6


def test_a_checkpointed_call_is_lost_though_another_pair_shows_its_images_still(
    make_generator: Make, make_discriminator: Make
) -> None:
    (generator, discriminator), others = [(make_generator(), make_discriminator()) for _ in "AB"]
    guide = attach(generator, discriminator, name="A")
    other = attach(*others, name="B", beside=guide)
    source = torch.rand(2, 3, 64, 64)
    for one in (guide, other):
        one.bind(source, ["a", "b"])
    loss = discriminator(checkpoint(generator, source, use_reentrant=False)).mean()
    guide.bind(torch.rand(2, 3, 64, 64), ["c", "d"])
    with pytest.raises(GuideError, match="computed again"):
        loss.backward()


@pytest.mark.parametrize(
    "how",
    [
        {"attention": "shuffled", "dropout": 0.5},
        {"attention": "tam"},
        {"transfer": "conv", "init": "random"},
        {"concat": "alpha", "test_map": "mean"},
        {"signal": "gradcam", "anneal": "0:1"},
    ],
    ids=str,
)
def test_torchs_default_device_and_type_are_none_of_the_guidances(pair: Networks, how: dict[str, Any]) -> None:
    generator, discriminator = pair
    optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in pair]
    images, crop = torch.rand(2, 3, 64, 64), View.crop((4, 0), (60, 60), (64, 64))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):  # as "cuda", but where there is none
            guide = attach(generator, discriminator, GuideConfig(**how), optimizers=optimizers, total_steps=9)
            for left in range(3):
                views = View.stack([crop, View.crop((left, 0), (60, 60), (64, 64))])
                guide.bind(source := images.clone(), ["a", "b"], views)
                discriminator(generator(source)).mean().backward()
            guide.end_epoch()
            maps, visited = guide.maps(["a", "c"])
            guide.look(images)
            generator.requires_grad_(False).training = False
            generator(images)
    finally:
        torch.set_default_dtype(torch.float32)
    assert visited.tolist() == [True, False] and maps.device == images.device
    parameters = [one for network in guide.networks().values() for one in network.parameters()]
    assert all(one.dtype == torch.float32 and one.device == images.device for one in parameters)
