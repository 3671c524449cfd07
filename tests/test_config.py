from __future__ import annotations

import argparse
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from guidegan_plugin import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.trainable import TrainableAttention
from guidegan_plugin.utils.options import options_of


def test_defaults_are_the_papers_pha_and_rhp() -> None:
    config = GuideConfig()
    assert (config.attention, config.signal, config.layer, config.tap) == ("pha", "activation", 4, "conv")
    assert (config.concat, config.transfer, config.init, config.cycle, config.align) == (
        "rhp",
        "bilinear",
        "ones",
        "ones",
        "canonical",
    )


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        GuideConfig().layer = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layer", 0),
        ("layer", 2.5),
        ("layer", True),
        ("tap", "norm"),
        ("border", -1),
        ("border", "two"),
        ("init", "zeros"),
        ("cycle", "never"),
        ("align", "yes"),
        ("store_device", "cuda"),
        ("store_dtype", "int8"),
        ("seed", "7"),
        ("seed", 2**64),
        ("concat", 3),
        ("dropout", 1.5),
        ("dropout", -1),
        ("dropout", float("nan")),
        ("dropout", "0.5"),
        ("dropout", True),
        ("anneal", "0.5"),
        ("anneal", "0.7:0.3"),
        ("anneal", "0.5:0.5"),
        ("anneal", "0:1.1"),
        ("anneal", "-0.1:1"),
        ("anneal", "nan:1"),
        ("anneal", "a:b"),
        ("anneal", 0.5),
    ],
)
def test_a_value_that_cannot_work_is_refused_naming_argument_flag_and_value(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        GuideConfig(**{field: value})  # type: ignore[arg-type]
    message = str(caught.value)
    assert f"--guide_{field}" in message and repr(value) in message and "\n" not in message


def test_a_combination_that_cannot_work_is_refused_naming_both_fields() -> None:
    with pytest.raises(ConfigError, match=r"cycle=source.*attention=none.*--guide_cycle.*--guide_attention"):
        GuideConfig(attention="none", cycle="source")


def test_the_trainable_module_takes_no_signal() -> None:
    with pytest.raises(ConfigError, match=r"signal=gradcam.*attention=tam.*--guide_signal.*--guide_attention"):
        TrainableAttention.from_options(TrainableAttention.Options(), GuideConfig(signal="gradcam"))


def test_unknown_names_of_plugins_are_left_to_where_they_are_resolved() -> None:
    assert GuideConfig(attention="a_plugins", concat="another", transfer="third").attention == "a_plugins"


@pytest.mark.parametrize(("tap", "border", "rings"), [("conv", "auto", 0), ("activation", "auto", 1), ("conv", 2, 2)])
def test_border_auto_depends_on_the_tap(tap: str, border: int | str, rings: int) -> None:
    assert GuideConfig(tap=tap, border=border).border_rings == rings


def test_a_probability_may_be_a_whole_number_and_a_span_is_read_as_fractions() -> None:
    assert GuideConfig(dropout=1).dropout == 1 and GuideConfig().anneal_span is None
    assert GuideConfig(anneal="0.4:.75").anneal_span == (0.4, 0.75) and GuideConfig(anneal="0:1").anneal_span == (0, 1)


def test_every_field_is_an_option_and_survives_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    GuideConfig.add_options(parser)
    assert GuideConfig.from_options(vars(parser.parse_args([]))) == GuideConfig()
    line = "--guide_layer model.8 --guide_tap activation --guide_border 2 --guide_concat alpha --guide_seed 5"
    line += " --guide_dropout 0.5 --guide_anneal 0.4:0.75"
    config = GuideConfig.from_options(vars(parser.parse_args(line.split())))
    assert (config.layer, config.tap, config.border, config.concat, config.seed) == (
        "model.8",
        "activation",
        2,
        "alpha",
        5,
    )
    assert (config.dropout, config.anneal) == (0.5, "0.4:0.75")
    assert {action.dest for action in parser._actions} >= {f"guide_{field.name}" for field in options_of(GuideConfig)}


def test_options_of_the_host_are_not_ours() -> None:
    assert GuideConfig.from_options({"layer": 2, "seed": 9, "guide_show": True}) == GuideConfig()


def test_readme_lists_every_option_with_its_default() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    for field in options_of(GuideConfig):
        assert f"| `--guide_{field.name}` |" in readme, field.name
        row = next(line for line in readme.splitlines() if f"| `--guide_{field.name}` |" in line)
        assert f"`{field.default}`" in row, row
