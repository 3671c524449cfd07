"""``guidegan options`` lists what a guided training may be told."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from guidegan_plugin.utils import options


def test_options_of_the_guidance_of_mechanisms_and_of_monitors_are_listed_with_defaults(
    guidegan: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("options") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for option in ("--guide_attention", "--guide_fast", "--guide_tam_start", "--guide_alpha_widen", "--guide_visdom"):
        assert option in printed
    assert "(default: pha)" in printed


@dataclass(frozen=True)
class Strong:
    on: bool = options.option(False, "at 100% of it")
    power: float = options.option(1.0, "in %, of 5 %s")


def test_an_options_help_may_hold_a_percent_sign_and_a_mechanisms_name_a_hyphen() -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser, Strong, "two-fold_")
    assert "at 100% of it" in parser.format_help() and "in %, of 5 %s" in parser.format_help()
    parsed = vars(parser.parse_args(["--guide_two-fold", "--guide_two-fold_power", "2"]))
    values = {name.removeprefix("guide_"): value for name, value in parsed.items()}
    assert options.read_options(Strong, values, "two-fold_") == Strong(True, 2.0)
