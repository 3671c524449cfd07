"""Every call pattern: the right map, the right input, no other call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from call_patterns import KEYS, MECHANISMS, CompiledAfter, LateDataParallel, MirroredRows, Pattern, config_of
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


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda options: "-".join(options.values()))
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
    full = F.interpolate(maps, (32, 32), mode="bilinear", align_corners=False)
    source = batches[1].detach().repeat(len(pattern.keys) // len(KEYS), 1, 1, 1)
    wanted = (full + 1) * source if concat == "rhp" else torch.cat([source, full], 1)
    given = torch.cat(seen) if pattern.several else seen[0]
    assert torch.allclose(frame(given)[: len(source), : wanted.shape[1]].float(), wanted, atol=1e-5)
    assert guide.statistics()["visits"] == 2 * len(pattern.keys)


def test_without_attention_and_after_detaching_a_loop_computes_what_it_did(
    pattern: Pattern, batches: Sequence[Tensor]
) -> None:
    bare = type(pattern)()
    expected = bare.step(None, batches[0].clone())
    none = type(pattern)()
    assert torch.equal(none.step(none.attach(config_of(pattern, attention="none")), batches[0].clone()), expected)
    classes = [type(module) for net in (pattern.generator, pattern.discriminator) for module in net.modules()]
    keys = list(pattern.generator.state_dict())
    guide = pattern.attach(config_of(pattern))
    pattern.step(guide, batches[0].clone())
    pattern.detach(guide)
    if not isinstance(pattern, (LateDataParallel, CompiledAfter)):
        after = [type(module) for net in (pattern.generator, pattern.discriminator) for module in net.modules()]
        assert after == classes and list(pattern.generator.state_dict()) == keys
    assert torch.equal(pattern.step(None, batches[0].clone()), expected)
