"""What every registered mechanism and monitor must keep of its options, ours or a third party's."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import Any

import guidegan_patch_score
import pytest
import torch
from torch import nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.attaching.mechanism_options import (
    add_guide_options,
    build,
    config_from,
    defaults,
    full_config,
    meaning_of_maps,
)
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.guidance.configurable import Configurable
from guidegan_plugin.plugins.listeners import add_monitor_options
from guidegan_plugin.plugins.manager import collect, create_manager
from guidegan_plugin.utils.options import check_options, name_of, options_of, read_options

PLUGINS = [guidegan_patch_score]
MECHANISMS: dict[str, type[Configurable]] = {
    name: kind
    for sort in ("attention", "concatenation", "transfer")
    for name, kind in collect(create_manager(PLUGINS), sort).items()
}
MONITORS = collect(create_manager(PLUGINS), "monitor")
CONCATENATIONS: dict[str, type[Concatenation]] = collect(create_manager(PLUGINS), "concatenation")


def parser() -> argparse.ArgumentParser:
    made, manager = argparse.ArgumentParser(), create_manager(PLUGINS)
    add_guide_options(manager, made)
    add_monitor_options(manager, made, True)
    return made


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_is_built_from_the_defaults_of_its_options(name: str) -> None:
    assert build(MECHANISMS[name], GuideConfig()).name == name


@pytest.mark.parametrize("kind", [*MECHANISMS.values(), *MONITORS.values()], ids=lambda kind: kind.name)
def test_every_option_is_on_the_command_line_and_survives_it(kind: type[Any]) -> None:
    prefix, known = f"{kind.name}_", vars(parser().parse_args([]))
    check_options(kind.Options(), prefix)
    for each in options_of(kind.Options):
        whole = name_of(each, prefix)
        assert known[f"guide_{whole}"] == each.default
        given: Any = next((choice for choice in each.metadata["choices"] if choice != each.default), None)
        given = given or {bool: True, int: 3, float: 0.5, str: "word"}[type(each.default)]
        words = [f"--guide_{whole}"] if given is True else [f"--guide_{whole}", str(given)]
        parsed = vars(parser().parse_args(words))
        built = read_options(
            kind.Options, {name.removeprefix("guide_"): value for name, value in parsed.items()}, prefix
        )
        assert getattr(built, each.name) == given


def test_a_plugins_option_reaches_its_mechanism_from_the_command_line_and_from_python() -> None:
    manager = create_manager(PLUGINS)
    line = "--guide_attention patch_score --guide_patch_score_power 2"
    config = config_from(manager, vars(parser().parse_args(line.split())))
    assert config == GuideConfig(attention="patch_score", options={"patch_score_power": 2.0})
    prediction = torch.rand(2, 1, 5, 5)
    maps = [build(MECHANISMS["patch_score"], one).take_maps(prediction) for one in (config, GuideConfig())]  # type: ignore[attr-defined]
    assert not torch.equal(*maps)


def test_options_at_their_defaults_do_not_stand_in_the_config() -> None:
    assert config_from(create_manager(PLUGINS), vars(parser().parse_args([]))) == GuideConfig()


def test_what_a_map_means_depends_on_its_mechanism_and_that_ones_options_alone() -> None:
    manager = create_manager(PLUGINS)
    config = GuideConfig(attention="patch_score", layer=2, options={"patch_score_power": 2.0, "tam_start": "residual"})
    assert meaning_of_maps(manager, config) == {"attention": "patch_score", "patch_score_power": 2.0}
    assert meaning_of_maps(manager, GuideConfig(layer=2)) == {
        **{"attention": "pha", "signal": "activation", "layer": 2, "tap": "conv", "border": "auto"}
    }
    assert full_config(manager, config)["tam_features"] == "auto"


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"option 'tam_begin' is unknown, known are: .*tam_start.*; change options="):
        GuideFactory.open(GuideConfig(options={"tam_begin": "paper"}))


@pytest.mark.parametrize(("value", "expected"), [("zero", "one of paper, residual"), (1, "expected str")])
def test_a_value_that_cannot_be_is_refused_naming_argument_and_flag(value: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"tam_start: .*{expected}.*change tam_start \(--guide_tam_start\)"):
        build(MECHANISMS["tam"], GuideConfig(options={"tam_start": value}))


def test_two_mechanisms_with_one_option_are_an_error_naming_the_option() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--guide_tam_start")
    with pytest.raises(Exception, match=r"options of 'tam' .* clash: .*--guide_tam_start"):
        add_guide_options(create_manager(), made)


def test_defaults_list_what_there_is() -> None:
    found = defaults(create_manager(PLUGINS))
    alpha = {"alpha_image_channels": 0, "alpha_widen": ""}
    tam = {"tam_start": "paper", "tam_features": "auto", "tam_trunk": "auto"}
    ours = {**tam, **alpha, "patch_score_power": 1.0}
    assert ours.items() <= found.items()  # installed plugins may add theirs


def test_an_option_that_cannot_work_is_refused_with_what_to_change() -> None:
    config = GuideConfig(attention="patch_score", options={"patch_score_power": 0.0})
    with pytest.raises(ConfigError, match=r"power must be above 0, found 0\.0; change --guide_patch_score_power"):
        build(MECHANISMS["patch_score"], config)


@pytest.mark.parametrize("name", CONCATENATIONS)
def test_a_preview_is_a_picture_in_the_images_range_or_nothing(name: str) -> None:
    kind, maps = build(CONCATENATIONS[name], GuideConfig()), torch.rand(2, 1, 6, 5)
    for low, high in ((-1.0, 1.0), (0.0, 1.0)):
        images = torch.rand(2, 3, 6, 5) * (high - low) + low
        shown = kind.preview(images, maps, (low + high) / 2)
        if shown is None:
            assert not kind.preview_text
            continue
        assert shown.shape == images.shape and shown.min() >= low and shown.max() <= high and kind.preview_text


@pytest.mark.parametrize("name", CONCATENATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_baking_is_exact_or_refused_with_a_reason(name: str, channels: int) -> None:
    concatenation, images = build(CONCATENATIONS[name], GuideConfig()), torch.rand(2, channels, 9, 9)
    blended = concatenation.blend(images, torch.ones(2, 1, 9, 9))
    weight = torch.randn(4, blended.shape[1], 3, 3)
    try:
        baked, constant = concatenation.bake(weight, channels)
    except ConfigError as error:
        assert f"concat={name} cannot be baked: " in str(error)
        return
    found = torch.nn.functional.conv2d(images, baked, None if constant is None else constant.float())
    assert torch.allclose(found, torch.nn.functional.conv2d(blended, weight), atol=1e-4)


def test_a_concatenation_that_says_nothing_is_not_shown_and_not_baked() -> None:
    class Silent(Concatenation):
        name = "silent"

        def blend(self, images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
            return images - maps

    assert Silent().preview(torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4)) is None
    with pytest.raises(ConfigError, match="concat=silent cannot be baked: it does not say how"):
        Silent().bake(torch.rand(2, 3, 3, 3), 3)


def test_a_concatenation_that_derives_from_ours_and_blends_otherwise_is_shown_as_it_is_and_not_baked() -> None:
    class Half(ResidualHadamard):
        name = "half"

        def blend(self, images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
            return super().blend(images, maps / 2)

    images, maps = torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4)
    assert torch.allclose(Half().preview(images, maps), (1 + maps / 2) * images / 2)
    with pytest.raises(ConfigError, match="concat=half cannot be baked: it blends otherwise than rhp"):
        Half().bake(torch.rand(2, 3, 3, 3), 3)


def test_a_pickled_concatenation_keeps_its_options() -> None:
    class Weak(ResidualHadamard):
        def __init__(self, strength: float = 1.0) -> None:
            self.strength = strength

    assert copy.deepcopy(Weak(0.3)).strength == 0.3


@pytest.mark.parametrize("name", collect(create_manager(PLUGINS), "transfer"))
def test_a_transfer_block_that_says_so_keeps_ones(name: str) -> None:
    transfer: Any = build(MECHANISMS[name], GuideConfig())
    for maps in (torch.ones(2, 1, 1, 1), torch.ones(2, 1, 3, 5)):
        kept = torch.allclose(transfer(maps, (8, 7)), torch.ones(2, 1, 8, 7))
        assert kept or not transfer.keeps_ones


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"options": {"tam_start": "residual"}}, ["--guide_tam_start has no effect with attention pha; leave it out"]),
        ({"options": {"alpha_widen": "0"}}, ["--guide_alpha_widen has no effect with concat rhp; leave it out"]),
        ({"attention": "tam", "layer": 3}, ["--guide_layer has no effect with attention tam; leave it out"]),
        ({"concat": "alpha", "strength": 0.3}, ["--guide_strength has no effect with concat alpha; leave it out"]),
        (
            {"concat": "gradient", "strength": 0.3, "dropout": 0.5, "cycle": "source"},
            [f"--guide_{name} has no effect with concat gradient; leave it out" for name in ("cycle", "dropout")],
        ),
        ({"attention": "none", "signal": "gradcam", "options": {"alpha_widen": "1"}}, []),
        ({"signal": "gradcam", "layer": 3, "concat": "alpha", "options": {"alpha_widen": "1"}}, []),
    ],
)
def test_an_option_that_has_no_effect_is_said_once_a_training(
    options: dict[str, Any],
    said: list[str],
    make_generator: Callable[[], nn.Module],
    make_discriminator: Callable[[], nn.Module],
    caplog: pytest.LogCaptureFixture,
) -> None:
    networks, config = [make() for make in (make_generator, make_discriminator) * 2], GuideConfig(**options)
    first = attach(*networks[:2], config)
    attach(*networks[2:], config, name="B", beside=first)
    assert [text for record in caplog.records if "no effect" in (text := record.getMessage())] == said
