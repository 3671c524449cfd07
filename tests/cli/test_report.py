"""The commands ``guidegan report`` and ``guidegan grid``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def fresh_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    labels = {"method": "[red]bare", "direction": "horse->zebra"}
    result = {"metric": "kid", "features": "inception", "target": {"kid_x100": 4.0, "std_x100": 0.5}, "labels": labels}
    (tmp_path / "runs" / "a.json").write_text(json.dumps(result))
    return tmp_path / "runs"


def test_report_shows_the_tables_and_writes_both_files(
    guidegan: Callable[..., int | str], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("report", runs) == 0
    printed = capsys.readouterr().out
    for part in ("Table 2: KID × 100, target only", "[red]bare", "12.42 ± 0.74", "wrote report/report.html"):
        assert part in printed
    assert "3.94 ± 0.41" in Path("report/report.md").read_text()


def test_report_without_the_paper_in_silence(
    guidegan: Callable[..., int | str], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("report", runs, "--no-paper", "--quiet", "--out", "elsewhere") == 0
    assert capsys.readouterr().out == ""
    assert "3.94 ± 0.41" not in Path("elsewhere/report.md").read_text()


def test_report_of_nothing_is_one_line(guidegan: Callable[..., int | str], tmp_path: Path) -> None:
    message = str(guidegan("report", tmp_path))
    assert message.startswith("guidegan: error: no results") and "\n" not in message
    assert not Path("report").exists()


def test_grid_draws_named_rows_of_two_folders(
    guidegan: Callable[..., int | str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_real_A", "a_fake_B", "b_real_A", "b_fake_B"):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{name}.png")
    columns = ["--column", "input=.:_real_A", "--column", "bare=.:_fake_B"]
    assert guidegan("grid", *columns, "--images", "b, a", "--size", 16, "--out", "new/two.png") == 0
    assert capsys.readouterr().out == "wrote new/two.png: b, a\n"
    with Image.open("new/two.png") as picture:
        assert picture.width == 4 + 2 * 20
    assert "change --images" in str(guidegan("grid", *columns, "--images", "c"))


def test_a_grid_that_no_memory_holds_is_wrong_usage(guidegan: Callable[..., int | str], tmp_path: Path) -> None:
    assert guidegan("grid", "--column", "a=nowhere", "--size", 100_000) == 2
