"""Long jobs pass every item through a bar, which only a command shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.cli import main
from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.datasets.synthetic.street import write_paired
from guidegan_plugin.evaluation.attention_statistics import attention_quality
from guidegan_plugin.reports.grid import GridColumn, write_grid
from guidegan_plugin.utils.progress import progress, show_progress

Counts = dict[str, tuple[int, int | None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three regions and a map of each."""
    for name in "abc":
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / f"{name}.png")
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / f"{name}_attention_A.png")
    return tmp_path


@pytest.fixture
def shown() -> Iterator[None]:
    """Bars are shown, as by a command."""
    show_progress(True)
    yield
    show_progress(False)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """How many items each bar passed on, and how many were promised; of two of one name the later."""
    counts: Counts = {}

    def count(items: Iterable[object], about: str, total: int | None, **_: object) -> Iterator[object]:
        for number, item in enumerate(items, 1):
            counts[about] = number, len(items) if total is None and isinstance(items, Sized) else total
            yield item

    monkeypatch.setattr("guidegan_plugin.utils.progress.tqdm", count)
    return counts


def test_a_library_shows_nothing_and_passes_every_item_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("shown")
def test_a_bar_is_gone_from_the_terminal_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress("abc", "letters")) == ["a", "b", "c"]
    drawn = capsys.readouterr().err
    assert "letters:   0%" in drawn and drawn.rsplit("\r", 2)[1].isspace()


def test_attention_counts_maps(folder: Path, counted: Counts) -> None:
    attention_quality(folder, folder)
    assert counted == {"maps": (3, 3)}


def test_a_grid_counts_rows(folder: Path, counted: Counts) -> None:
    write_grid(folder / "out" / "grid.png", [GridColumn("in", folder, "_attention_A")], size=16)
    assert counted == {"rows": (3, 3)}


def test_shapes_count_images(tmp_path: Path, counted: Counts) -> None:
    write_unpaired(tmp_path / "unpaired", 32, count=2, test_count=1, workers=1)
    assert counted == {"Drawing": (6, 6)}
    write_paired(tmp_path / "paired", 32, count=2, test_count=1, workers=1)
    assert counted == {"Drawing": (3, 3)}


@pytest.mark.parametrize(("terminal", "quiet", "shows"), [(True, (), True), (True, ("-q",), False), (False, (), False)])
def test_a_command_shows_bars_on_a_terminal_unless_it_is_to_be_quiet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    quiet: tuple[str, ...],
    shows: bool,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    arguments = ["data", "shapes", str(tmp_path / "set"), "--size", "32", "--count", "1", "--workers", "1", *quiet]
    monkeypatch.setattr("sys.argv", ["guidegan", *arguments])
    with pytest.raises(SystemExit, match="0"):
        main()
    show_progress(False)
    assert ("Drawing: " in capsys.readouterr().err) == shows
