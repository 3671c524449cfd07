"""Every call pattern: the right map, the right input, no other call."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from call_patterns import ALL, KEYS, MECHANISMS, SLOW, CompiledAfter, GuidedCopy, MirroredRows, Pattern, config_of
from covering import covering
from torch import Tensor, nn

from guidegan_plugin.guidance.guide import Guide

pytestmark = [
    # What torch says of a backward hook on a network whose input has no gradient.
    pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning"),
    # Dynamo itself looks at the gradient of an input that is no leaf.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]


@pytest.fixture
def batches() -> list[Tensor]:
    """Two batches of the same two images, the second in another order, new tensors each."""
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    return [images.clone(), images.clone()]


def inputs_of(module: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    return seen


def maps_by_asking(guide: Guide, pattern: Pattern, fakes: Tensor) -> Tensor:
    """What the discriminator says of each fake alone, in the frame of its source."""
    seen: list[Tensor] = []
    given = fakes.detach().requires_grad_()
    tap: Any = guide._attachment._taps[0]
    tap._looking = True
    try:
        for fake in given.split(1):
            answer = pattern.judge(fake)
            maps = tap._attention.take_maps(answer)
            assert maps is not None
            seen.append(maps[-1:])
    finally:
        tap._looking = False
    return torch.cat(seen)


def blended(images: Tensor, maps: Tensor, concat: str) -> Tensor:
    """What G's first convolution is to be given, equation (4) or (5)."""
    full = F.interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)
    return (full + 1) * images if concat == "rhp" else torch.cat([images, full], 1)


def state_of(networks: Sequence[nn.Module]) -> list[object]:
    """What guidance must leave as it was: classes, attributes, hooks, flags and shapes, module by module."""
    modules = [module for network in networks for module in network.modules()]
    hooks = [name for name in vars(nn.Module()) if name.endswith("_hooks")]
    return [
        (
            type(module),
            sorted(vars(module)),
            module.training,
            [len(vars(module)[name] or ()) for name in hooks],
            [(name, weight.shape, weight.requires_grad) for name, weight in module.named_parameters()],
        )
        for module in modules
    ]


CONCATS = ("rhp", "alpha")


def cases() -> list[Any]:
    """Every pattern with every mechanism and with every concatenation, and each mechanism with each concatenation."""
    names = {"-".join(options.values()): options for options in MECHANISMS}
    every = list(itertools.product(ALL, names, CONCATS))
    often = [case for case in covering(every, full=False, size=1) if case[0] not in SLOW]
    return [
        pytest.param(
            *(kind, names[name], concat),
            marks=[] if (kind, name, concat) in often else [pytest.mark.slow],
            id=f"{kind.__name__}-{name}-{concat}",
        )
        for kind, name, concat in dict.fromkeys([*often, *covering(every)])
    ]


EVERY = pytest.mark.parametrize(("pattern", "mechanism", "concat"), cases(), indirect=["pattern"])


@EVERY
def test_the_right_map_is_remembered_and_blended_into_the_right_image(
    pattern: Pattern, batches: Sequence[Tensor], mechanism: dict[str, str], concat: str
) -> None:
    guide = pattern.attach(config_of(pattern, concat=concat, **mechanism))
    fakes = pattern.step(guide, batches[0])
    maps, visited = guide.maps(pattern.keys)
    assert visited.all() and guide.statistics()["visits"] == len(pattern.keys)
    frame = (lambda image: image.flip(3)) if isinstance(pattern, MirroredRows) else (lambda image: image)
    assert torch.allclose(maps, frame(maps_by_asking(guide, pattern, frame(fakes))), atol=1e-5)
    seen = inputs_of(pattern.first_layer())
    pattern.step(guide, batches[1])
    source = batches[1].detach().repeat(len(pattern.keys) // len(KEYS), 1, 1, 1)
    wanted = blended(source, maps, concat)
    given = torch.cat(seen) if pattern.several else seen[0]
    assert torch.allclose(frame(given)[: len(source), : wanted.shape[1]].float(), wanted, atol=1e-5)
    assert guide.statistics()["visits"] == 2 * len(pattern.keys)
    # And nothing else: each row that G was given shows a bound image with its map, or is free and has the placeholder.
    free = [blended(images.detach(), torch.ones(len(images), 1, 1, 1), concat) for images in pattern.free]
    rows, expected = frame(torch.cat(seen))[:, : wanted.shape[1]].float(), torch.cat([wanted, *free])
    equal = (rows[:, None] - expected[None]).abs().amax((2, 3, 4)) < 1e-5
    assert equal.any(1).all() and equal.any(0).all()


@EVERY
def test_detached_again_a_loop_computes_what_it_did_and_nothing_is_left(
    pattern: Pattern, batches: Sequence[Tensor], mechanism: dict[str, str], concat: str
) -> None:
    torch.manual_seed(1)
    expected = type(pattern)().step(None, batches[0].clone())
    networks = [pattern.generator, pattern.discriminator]
    before = state_of(networks)
    guide = pattern.attach(config_of(pattern, concat=concat, **mechanism))
    if isinstance(pattern, GuidedCopy):
        networks[0] = pattern.generator
    for batch in batches:
        pattern.step(guide, batch.clone())
    pattern.detach(guide)
    if not isinstance(pattern, CompiledAfter):  # whose networks keep what torch.compile knows of them
        assert state_of(networks) == before
    torch.manual_seed(1)
    type(pattern)()  # draws what the first one drew
    assert torch.equal(pattern.step(None, batches[0].clone()), expected)


@pytest.mark.parametrize("concat", CONCATS)
def test_without_attention_a_loop_computes_what_it_does_and_draws_what_it_draws(
    pattern: Pattern, batches: Sequence[Tensor], concat: str
) -> None:
    bare, drawn = type(pattern)(), []
    torch.manual_seed(1)
    expected = bare.step(None, batches[0].clone())
    drawn.append(torch.get_rng_state())
    before = state_of([pattern.generator, pattern.discriminator])
    torch.manual_seed(1)
    inside = [pattern.generator, pattern.discriminator]
    guide = pattern.attach(config_of(pattern, attention="none", concat=concat))
    assert isinstance(pattern, (GuidedCopy, CompiledAfter)) or state_of(inside) == before
    assert torch.equal(pattern.step(guide, batches[0].clone()), expected)
    assert torch.equal(torch.get_rng_state(), drawn[0])
