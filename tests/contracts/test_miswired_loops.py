"""Guidance miswired on purpose, in every call pattern: never silent, with the true cause and what the user can type."""

from __future__ import annotations

import copy
import itertools
import logging
import re
from typing import Any

import call_patterns
import pytest
import torch
from call_patterns import (
    ALL,
    KEYS,
    MECHANISMS,
    SLOW,
    Augmented,
    CompiledAfter,
    DiffAugment,
    FollowedDataParallel,
    InEval,
    JoinedLabels,
    LabelsJoinedBefore,
    Pattern,
    Plain,
    TwoFirstConvolutions,
    TwoInputs,
    TwoJudges,
    TwoTargets,
    config_of,
)
from covering import covering, groups
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError, GuideError
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
    "the batch is bound too late": r"only afterwards; call bind\(images, keys\) before|bind .* and before that call",
    "another discriminator is watched": UNJUDGED,
    "another method of the discriminator": UNJUDGED,
    "another generator is met": UNCALLED,
    "another method of the generator": UNCALLED,
    "the fake is computed upon": r"only after the operation '\w+'.*set judged='affine' \(--guide_judged affine\)",
    "a layer that no call passes": r"the discriminator gave no map for \d images; change layer \(--guide_layer\)",
    "the generator in eval mode": r"was in eval mode, .* call its train\(\) before it is trained on",
}
OF_NETWORKS = [way for way in MISWIRED if "another" in way and "source" not in way]
CONFIGS: dict[str, dict[str, str]] = {
    "-".join([*mechanism.values(), concat]): {**mechanism, "concat": concat}
    for mechanism in MECHANISMS
    for concat in ("rhp", "alpha")
    if mechanism.get("signal") != "gradient"  # which differs from gradcam by a formula alone
}


def possible() -> list[tuple[type[Pattern], str, str]]:
    """Every pattern, wired wrongly in every way, with every mechanism where that makes sense."""
    found = []
    for kind, way, name in itertools.product(ALL, MISWIRED, CONFIGS):
        told = issubclass(kind, (FollowedDataParallel, CompiledAfter)) and way in OF_NETWORKS
        # tam finds its places by the order of the convolutions, and a network that ran compiled has its layers already.
        no_layer = way == "a layer that no call passes" and (name.startswith("tam") or issubclass(kind, SLOW))
        half = kind is TwoJudges and way == "the fake is computed upon"  # the other judge is given the fake itself
        trains = kind is InEval and way == "the generator in eval mode"  # sets the mode itself
        if not (told or no_layer or half or trains or (kind in SLOW and name != next(iter(CONFIGS)))):
            found.append((kind, way, name))
    return found


def cases() -> list[Any]:
    """Every pattern in every way, and each of them with every mechanism."""
    often = [case for case in covering(possible(), full=False, size=1) if case[0] not in SLOW]
    return [
        pytest.param(
            *(kind, way, CONFIGS[name]),
            marks=[] if (kind, way, name) in often else [pytest.mark.slow],
            id=f"{kind.__name__}-{way}-{name}",
        )
        for kind, way, name in dict.fromkeys([*often, *covering(possible())])
    ]


def test_what_is_left_out_meets_in_another_loop() -> None:
    tried = {group for case in covering(possible(), full=False) for group in groups(case)}
    assert tried == {group for case in possible() for group in groups(case)}


def miswire(way: str, monkeypatch: pytest.MonkeyPatch, pattern: Pattern) -> dict[str, Any]:
    """Let a pattern attach to what its loop does not call, or call what it does not say; options of the config."""

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
        return attach(entry if not exits else (entry, *exits), discriminator, config, **more)

    kept: list[Any] = []
    pattern.miswired, pattern.kept = True, kept  # type: ignore[attr-defined]  # alive as long as the loop
    monkeypatch.setattr(call_patterns, "attach", elsewhere)
    judges = [network for name, network in vars(pattern).items() if name in ("discriminator", "other")]
    if way == "another source is bound":
        pattern.bind = lambda guide, source: guide.bind(torch.rand_like(source), KEYS[: len(source)])  # type: ignore
    elif way == "the batch is bound too late":
        pattern.bind = lambda guide, source: None  # type: ignore[method-assign]
    elif way == "the fake is computed upon":
        given = pattern.judge
        pattern.judge = lambda fake: given(fake * 0.9)  # type: ignore[method-assign]
        return {"judged": "moves"}
    elif way == "a layer that no call passes":
        for judge in judges:
            path, first = next(item for item in judge.named_modules() if isinstance(item[1], nn.Conv2d))
            first.add_module("unused", nn.Conv2d(1, 1, 1))
        return {"layer": f"{path}.unused"}
    return {}


def loop(pattern: Pattern, guide: Guide, way: str, steps: int = 5) -> None:
    for _ in range(steps):
        source = torch.rand(2, 3, 32, 32)
        pattern.step(guide, source)
        if way == "the batch is bound too late":
            guide.bind(source, KEYS)


@pytest.mark.parametrize(("kind", "way", "mechanism"), cases())
def test_a_loop_that_is_wired_wrongly_is_warned_of_once_with_the_true_cause(
    kind: type[Pattern],
    way: str,
    mechanism: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pattern = kind()
    options = miswire(way, monkeypatch, pattern)
    with caplog.at_level(logging.WARNING, "guidegan_plugin"):
        guide = pattern.attach(config_of(pattern, **{**mechanism, **options}))
        if way == "the generator in eval mode":
            pattern.generator.eval()
        try:
            loop(pattern, guide, way)
        except ConfigError as refused:  # a widened generator cannot be called past its place at all
            # Nor with an image that nobody bound, where the image is not the first argument.
            unbound = kind is TwoInputs and way in ("another source is bound", "the batch is bound too late")
            assert mechanism["concat"] == "alpha" and (unbound or way == "another method of the generator")
            cause = "image stands behind another argument and was not bound.* or bind its image" if unbound else "past"
            assert re.search(rf"without a map: .*{cause}.*", str(refused))
            assert "change generator= (--guide_pairs)" in str(refused)
            return
    said = [record.getMessage() for record in caplog.records if record.name.startswith("guidegan_plugin")]
    about = [message for message in said if message.startswith("pair A is not guided: in 3 ")]
    assert len(about) == 1 and re.search(MISWIRED[way], about[0]), said
    assert all("\n" not in message for message in said)
    facts = guide.statistics()
    assert facts["read"] == 0 or facts["judged"] == facts["visits"] == 0


@pytest.mark.parametrize("way", MISWIRED)
def test_strict_makes_it_an_error(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Plain()
    options = miswire(way, monkeypatch, pattern)
    guide = pattern.attach(config_of(pattern, strict=True, **options))
    pattern.generator.train(way != "the generator in eval mode")
    with pytest.raises(GuideError, match=rf"pair A is not guided: in 3 .*{MISWIRED[way]}.*--guide_strict"):
        loop(pattern, guide, way)


def test_a_judge_that_never_judges_beside_others_that_do_is_named(caplog: pytest.LogCaptureFixture) -> None:
    pattern = TwoJudges()
    judge = pattern.judge
    pattern.judge = lambda fake: judge(fake * 0.9)  # type: ignore[method-assign]
    guide = pattern.attach(config_of(pattern))
    loop(pattern, guide, "")
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("guidegan_plugin")]
    assert re.search(r"in 3 batches Sequential, one of its discr.*judged nothing.*discriminator= \(--guide_p", said)


def test_an_operation_that_affine_passes_is_not_what_stands_in_the_way_where_affine_is_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pattern = Plain()
    judge, blur = pattern.judge, nn.Conv2d(3, 3, 1)
    pattern.judge = lambda fake: judge(blur(fake) * 0.9)  # type: ignore[method-assign]
    loop(pattern, pattern.attach(config_of(pattern, judged="affine")), "")
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("guidegan_plugin")]
    assert re.search(r"only after the operation 'convolution', behind which .* change discriminator= \(--guide_p", said)
    assert "--guide_judged" not in said


def left_out() -> list[Any]:
    """Patterns that need an option, without that option, and what is said then."""
    upon = r"only after the operation '\w+'.*set judged='affine' \(--guide_judged affine\)"
    labels = r"set (it to that|alpha_image_channels) \(--guide_alpha_image_channels 3\)"
    widen = r"name both: change alpha_widen \(--guide_alpha_widen style\.0,encoder\.0\)"
    known = [(kind, concat, upon) for kind in (Augmented, DiffAugment) for concat in ("rhp", "alpha")]
    known += [(JoinedLabels, "alpha", labels), (LabelsJoinedBefore, "alpha", labels), (TwoTargets, "alpha", labels)]
    known += [(TwoFirstConvolutions, "alpha", widen)]
    return [pytest.param(*one, id=f"{one[0].__name__}-{one[1]}") for one in known]


@pytest.mark.parametrize(("kind", "concat", "cure"), left_out())
def test_an_option_that_a_pattern_needs_is_named_where_it_is_left_out(
    kind: type[Pattern], concat: str, cure: str, caplog: pytest.LogCaptureFixture
) -> None:
    pattern = kind()
    pattern.options, pattern.miswired = {}, True  # type: ignore[misc]
    try:
        loop(pattern, pattern.attach(config_of(pattern, concat=concat)), "", steps=4)
    except ConfigError as refused:
        assert re.search(cure, str(refused)) and "\n" not in str(refused)
    else:
        (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("guidegan_plugin")]
        assert re.search(f"pair A is not guided: in 3 .*{cure}", said)


def test_every_option_that_a_pattern_has_was_left_out_once() -> None:
    tried = {one.values[0] for one in left_out()}
    assert tried == {kind for kind in ALL if kind.options}


@pytest.mark.parametrize("keys", [None, ["a"], [None, None]])
def test_a_batch_without_a_key_an_image_is_refused_before_anything_is_counted(keys: list[str] | None) -> None:
    pattern = Plain()
    guide = pattern.attach(config_of(pattern))
    with pytest.raises(ConfigError, match=r"bind: .*change keys="):
        guide.bind(torch.rand(2, 3, 32, 32), keys)
    assert guide.statistics()["bound"] == 0
