"""``guidegan evaluate kid``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guidegan: Callable[..., int | str]
) -> Callable[..., int | str]:
    """Run the command among three folders of images and a module of features; its exit code, or its one line."""
    rng = np.random.default_rng(0)
    for folder, ending in (("fake", "_fake_B"), ("target", ""), ("source", "")):
        (tmp_path / folder).mkdir()
        for index in range(6):
            pixels = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}{ending}.png")
    (tmp_path / "features_of_a_user.py").write_text("def colours(images): return images.mean((2, 3))\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    folders = ("--fake", "fake", "--target", "target", "--features", "features_of_a_user:colours")
    return partial(guidegan, "evaluate", "kid", *folders)


def test_the_table_names_the_features_the_subsets_and_every_score(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--source", "source", "--subsets", 8, "--subset-size", 3) == 0
    printed = capsys.readouterr().out
    for part in ("KID (features: features_of_a_user:colours)", "8 subsets of 3, seed 0", "FID", "target", "mean"):
        assert part in printed


def test_the_result_is_written_with_its_labels(evaluate: Callable[..., int | str], tmp_path: Path) -> None:
    assert evaluate("--json", "out.json", "--label", "method=bare", "--label", "direction=horse->zebra", "--quiet") == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["labels"] == {"method": "bare", "direction": "horse->zebra"}
    assert written["subset_size"] == 6
    assert written["source"] is None


def test_json_on_standard_output_stands_alone(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--json", "-", "--suffix", "_fake_B") == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "kid"


def test_quiet_prints_nothing(evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--quiet") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--subset-size", "many"), "expected auto or a number, found 'many'; change --subset-size"),
        (("--label", "bare"), "expected key=value with a key once, found 'bare'; change --label"),
        (("--label", "a=1", "--label", "a=2"), "found 'a=2'; change --label"),
        (("--suffix", "_rec_A"), "fake holds 0 images *_rec_A.*, at least 2"),
        (("--source", "nowhere"), "nowhere is not a folder; change --source"),
        (("--features", "nothing"), "change --features"),
    ],
)
def test_what_cannot_work_is_one_line(
    evaluate: Callable[..., int | str], arguments: tuple[str, ...], message: str
) -> None:
    line = str(evaluate(*arguments))
    assert line.startswith("guidegan: error: ")
    assert message in line
    assert "\n" not in line


def test_what_a_users_code_prints_does_not_mix_with_the_json(
    evaluate: Callable[..., int | str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "print('imported')\ndef colours(images):\n    print('called')\n    return images.mean((2, 3))\n"
    (tmp_path / "features_that_talk.py").write_text(source)
    assert evaluate("--features", "features_that_talk:colours", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["metric"] == "kid"


def test_users_code_that_exits_is_a_failure(evaluate: Callable[..., int | str], tmp_path: Path) -> None:
    (tmp_path / "features_that_exit.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "features_that_exit_later.py").write_text("import sys\ndef leave(images): sys.exit(0)\n")
    for name in ("features_that_exit:x", "features_that_exit_later:leave"):
        assert "SystemExit: 0" in str(evaluate("--features", name))


def test_images_that_are_both_fake_and_real_are_scored_with_a_warning(
    evaluate: Callable[..., int | str], caplog: pytest.LogCaptureFixture
) -> None:
    assert evaluate("--fake", "target", "--quiet") == 0
    assert "--fake and --target have images in common" in caplog.text
