"""Guidance miswired on purpose, in every call pattern: never silent, with the true cause and what the user can type."""

from __future__ import annotations

import copy
import logging
import re
from typing import Any

import call_patterns
import pytest
import torch
from call_patterns import KEYS, CompiledAfter, FollowedDataParallel, Pattern, Plain, config_of
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.guide import Guide

pytestmark = [
    # What torch says of a backward hook on a network whose input has no gradient.
    pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning"),
    # Dynamo itself looks at the gradient of an input that is no leaf.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]

STRANGER = r"it was called with .*, neither the bound batch .* nor a part or copy of it; .*source=, --guide_pairs"
UNJUDGED = r"nothing called the discriminator with what the generator made; .*discriminator= \(--guide_pairs\)"
UNCALLED = r"nothing called the generator where it is met; .*generator= \(--guide_pairs\)"
MISWIRED = {
    "another source is bound": STRANGER,
    "another discriminator is watched": UNJUDGED,
    "another method of the discriminator": UNJUDGED,
    "another generator is met": UNCALLED,
    "another method of the generator": UNCALLED,
}


def miswire(way: str, monkeypatch: pytest.MonkeyPatch, pattern: Pattern) -> None:
    """Let a pattern attach to what its loop does not call, or bind what it does not translate."""

    def places(given: Any) -> list[Any]:
        return list(given) if isinstance(given, (tuple, list)) else [given]

    def owner(place: Any) -> nn.Module:
        found: nn.Module = getattr(place, "__self__", place)
        return found

    def elsewhere(generator: Any, discriminator: Any, config: GuideConfig, **more: Any) -> Guide:
        entry, *exits = places(generator)
        if way == "another discriminator is watched":
            kept.extend(copy.deepcopy(place) for place in places(discriminator))
            discriminator = kept
        elif way == "another method of the discriminator":
            discriminator = [place.extra_repr for place in places(discriminator)]
        elif way == "another generator is met":
            kept.append(copy.deepcopy(owner(entry)))
            entry = getattr(kept[-1], entry.__name__) if exits else kept[-1]
        elif way == "another method of the generator":
            entry = owner(entry).extra_repr
        return original(entry if not exits else (entry, *exits), discriminator, config, **more)

    original, kept = attach, []  # type: ignore[var-annotated]
    pattern.miswired, pattern.kept = True, kept  # type: ignore[attr-defined]  # alive as long as the loop
    monkeypatch.setattr(call_patterns, "attach", elsewhere)
    if way == "another source is bound":
        pattern.bind = lambda guide, source: guide.bind(torch.rand_like(source), KEYS[: len(source)])  # type: ignore


def loop(pattern: Pattern, guide: Guide, steps: int = 5) -> None:
    for _ in range(steps):
        pattern.step(guide, torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("way", MISWIRED)
def test_a_loop_that_is_wired_wrongly_is_warned_of_once_with_the_true_cause(
    pattern: Pattern, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(pattern, (FollowedDataParallel, CompiledAfter)):
        pytest.skip("the guide is told which networks are right")
    miswire(way, monkeypatch, pattern)
    with caplog.at_level(logging.WARNING, "guidegan_plugin"):
        guide = pattern.attach(config_of(pattern))
        loop(pattern, guide)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("guidegan_plugin")]
    about = [message for message in said if message.startswith("pair A is not guided: in 3 ")]
    assert len(about) == 1 and re.search(MISWIRED[way], about[0]), said
    assert all("\n" not in message for message in said) and guide.statistics()["visits"] == 0


@pytest.mark.parametrize("way", MISWIRED)
def test_strict_makes_it_an_error(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Plain()
    miswire(way, monkeypatch, pattern)
    guide = pattern.attach(config_of(pattern, strict=True))
    with pytest.raises(GuideError, match=rf"pair A is not guided: in 3 .*{MISWIRED[way]}.*--guide_strict"):
        loop(pattern, guide)
