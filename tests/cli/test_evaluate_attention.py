"""``guidegan evaluate attention``, ``classes`` and ``class-attention``: what they print, write and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.guidance.memory.view import View


@pytest.fixture
def evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guidegan: Callable[..., int | str]
) -> Callable[..., int | str]:
    """Run a command where the left half of one image is sky, the right half road, and attention is on the left."""
    left = np.array([[255, 255, 0, 0]] * 4, dtype=np.uint8)
    for folder in ("maps", "regions", "truth", "stores"):
        (tmp_path / folder).mkdir()
    Image.fromarray(left).save(tmp_path / "maps" / "a_attention_A.png")
    Image.fromarray(left).save(tmp_path / "regions" / "a.png")
    Image.fromarray(np.where(left > 0, 0, 3).astype(np.uint8)).save(tmp_path / "truth" / "a_label.png")
    for epoch, values in (("5", [1.0, 1, 0, 0]), ("10", [0.0, 0, 1, 1])):
        store = AttentionStore()
        store.write(["trainA/a.jpg"], torch.tensor(values).repeat(1, 1, 4, 1), View.identity())
        save_stores(tmp_path / "stores" / f"{epoch}_guide.safetensors", {"A": store.state()}, {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    return partial(guidegan, "evaluate")


CLASSES = ("--truth", "truth", "--palette", "camvid", "--truth-suffix", "_label", "--out", "out")


def test_attention_scores_maps_against_regions(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("attention", "--maps", "maps", "--regions", "regions", "--json", "-", "--label", "seed=1") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["metric"], result["images"], result["labels"]) == ("attention", 1, {"seed": "1"})
    assert [result[name] for name in ("pointing_game", "energy", "auc", "iou")] == [1, 1, 1, 1]
    assert result["region_share"] == 0.5


def test_attention_shows_a_table(evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("attention", "--maps", "maps", "--regions", "regions") == 0
    printed = capsys.readouterr().out
    assert "Attention of 1 images" in printed
    assert "pointing game" in printed


def test_classes_writes_a_table_and_a_figure(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("classes", *CLASSES) == 0
    assert "Classes of 1 images" in capsys.readouterr().out
    assert sorted(path.name for path in Path("out").iterdir()) == ["classes.csv", "classes.png"]


def test_class_attention_reads_stores_epoch_by_epoch(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("class-attention", "--store", "stores", *CLASSES) == 0
    assert "1.000 of 1" in capsys.readouterr().out
    rows = [line.split(",")[:5] for line in (Path("out") / "class_attention.csv").read_text().splitlines()]
    assert [row for row in rows if row[1] in ("sky", "road")] == [
        ["5", "sky", "1", "1", "1.0"],
        ["5", "road", "1", "0", "0.0"],
        ["10", "sky", "1", "0", "0.0"],
        ["10", "road", "1", "1", "1.0"],
    ]
    assert (Path("out") / "class_attention.png").exists()


def test_class_attention_reads_a_folder_of_maps(evaluate: Callable[..., int | str]) -> None:
    assert evaluate("class-attention", "--maps", "maps", *CLASSES, "--quiet") == 0
    assert "maps,sky,1,1,1.0" in (Path("out") / "class_attention.csv").read_text()


def test_class_attention_wants_stores_or_maps(evaluate: Callable[..., int | str]) -> None:
    for sources in ((), ("--store", "stores", "--maps", "maps")):
        assert "pass --store or --maps" in str(evaluate("class-attention", *sources, *CLASSES))
