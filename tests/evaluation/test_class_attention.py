from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.datasets.palettes import CAMVID
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.evaluation.class_attention import ClassAttention, class_attention, write_class_attention
from guidegan_plugin.evaluation.map_sources import SeenMap
from guidegan_plugin.guidance.memory.view import View

# Columns: sky, sky, road, car, one pixel a map's cell.
IDS = np.array([[0, 0, 3, 8]] * 4, dtype=np.uint8)


@pytest.fixture
def truths(tmp_path: Path) -> dict[str, Path]:
    Image.fromarray(IDS).save(tmp_path / "a.png")
    return {"a": tmp_path / "a.png"}


def seen(columns: list[float], view: View | None = None) -> SeenMap:
    return SeenMap("a", torch.tensor(columns, dtype=torch.float32).repeat(1, 4, 1), view)


def scores(rows: list[ClassAttention]) -> dict[str, tuple[int, int]]:
    return {row.name: (row.images, row.attended) for row in rows if row.images}


def test_a_class_is_attended_when_half_its_pixels_are_over_alpha(truths: dict[str, Path]) -> None:
    found = class_attention([seen([0.6, 0.1, 0.5, 0.9])], truths, CAMVID)
    assert scores(found) == {"sky": (1, 1), "road": (1, 0), "car": (1, 1)}
    assert scores(class_attention([seen([0.6, 0.1, 0.5, 0.9])], truths, CAMVID, alpha=0.7))["sky"] == (1, 0)


def test_shares_and_intensities_are_means_over_the_images_that_show_a_class(truths: dict[str, Path]) -> None:
    rows = class_attention([seen([0.6, 0.2, 0.0, 0.9]), seen([0.0, 0.0, 1.0, 0.7])], truths, CAMVID)
    by_name = {row.name: row for row in rows}
    assert (by_name["sky"].share, by_name["car"].share, by_name["fence"].share) == (0.5, 1.0, None)
    assert by_name["sky"].intensity == pytest.approx(0.2)
    assert by_name["fence"].intensity is None


def test_only_what_the_visit_showed_counts_and_a_flip_is_undone(truths: dict[str, Path]) -> None:
    right_half = View.crop((2, 0), (2, 4), (4, 4))
    flipped = View.crop((0, 0), (4, 4), (4, 4), flip=True)
    assert scores(class_attention([seen([1, 0], right_half)], truths, CAMVID)) == {"road": (1, 1), "car": (1, 0)}
    found = scores(class_attention([seen([1, 0, 0, 0], flipped)], truths, CAMVID))
    assert found == {"sky": (1, 0), "road": (1, 0), "car": (1, 1)}


def test_a_map_without_a_label_image_and_an_impossible_alpha_are_refused(truths: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="the map of a has no label image; change --truth, --suffix or --truth-suffix"):
        class_attention([seen([1, 0, 0, 0])], {}, CAMVID)
    with pytest.raises(ConfigError, match=r"alpha: expected 0 or more and less than 1, found 1; change --alpha"):
        class_attention([], truths, CAMVID, alpha=1)


def test_epochs_go_into_one_table_and_one_figure(truths: dict[str, Path], tmp_path: Path) -> None:
    rows = class_attention([seen([1, 1, 0, 0])], truths, CAMVID)
    write_class_attention({"20": rows, "40": rows}, tmp_path / "out")
    table = list(csv.DictReader((tmp_path / "out" / "class_attention.csv").read_text().splitlines()))
    assert [row["epoch"] for row in table] == ["20"] * 11 + ["40"] * 11
    assert list(table[0].values())[1:] == ["sky", "1", "1", "1.0", "1.0"]
    assert (table[1]["images"], table[1]["attended_share"]) == ("0", "")
    with Image.open(tmp_path / "out" / "class_attention.png") as figure:
        assert figure.format == "PNG"
