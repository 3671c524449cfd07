"""``guidegan options`` lists what a guided training may be told."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_options_of_the_guidance_of_mechanisms_and_of_monitors_are_listed_with_defaults(
    guidegan: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("options") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for option in ("--guide_attention", "--guide_fast", "--guide_tam_start", "--guide_alpha_widen", "--guide_visdom"):
        assert option in printed
    assert "(default: pha)" in printed
