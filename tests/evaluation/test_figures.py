from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.figures import draw_bars, draw_confusion


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as figure:
        return np.asarray(figure.convert("RGB"))


MATRIX = np.array([[3, 1, 0], [0, 4, 0]])


def test_a_confusion_picture_shows_where_the_pixels_are(tmp_path: Path) -> None:
    draw_confusion(MATRIX, ["road", "car"], tmp_path / "one.png")
    draw_confusion(MATRIX[:, [1, 0, 2]], ["road", "car"], tmp_path / "other.png")
    one, other = (pixels(tmp_path / f"{name}.png") for name in ("one", "other"))
    assert one.shape == other.shape
    assert (one != other).any()


def test_a_column_of_answers_that_are_not_scored_is_drawn_where_there_are_any(tmp_path: Path) -> None:
    draw_confusion(MATRIX, ["road", "car"], tmp_path / "none.png")
    draw_confusion(MATRIX[:, [0, 2, 1]], ["road", "car"], tmp_path / "some.png")
    widths = [pixels(tmp_path / f"{name}.png").shape[1] for name in ("none", "some")]
    assert widths[0] < widths[1]


def test_bars_leave_none_out_and_every_panel_has_its_place(tmp_path: Path) -> None:
    bars = {"20": [0.5, None], "40": [0.7, 0.1]}
    draw_bars(["road", "car"], {"share": bars}, tmp_path / "one.png")
    draw_bars(["road", "car"], {"share": bars, "mean": bars}, tmp_path / "two.png")
    assert len(pixels(tmp_path / "two.png")) == 2 * len(pixels(tmp_path / "one.png"))


def test_a_figure_that_cannot_be_written_or_drawn_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot write .*file/a\.png"):
        draw_bars(["road"], {"share": {"": [1.0]}}, tmp_path / "file" / "a.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r'needs matplotlib .*pip install "guidegan_plugin\[eval\]"'):
        draw_bars(["road"], {"share": {"": [1.0]}}, tmp_path / "a.png")
