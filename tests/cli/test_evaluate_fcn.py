"""``guidegan evaluate fcn``: what it prints, writes and refuses."""

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
    """Run the command on two label images scored against themselves; its exit code, or its one line."""
    rng = np.random.default_rng(0)
    for folder in ("pred", "truth"):
        (tmp_path / folder).mkdir()
    for index in range(2):
        image = Image.fromarray(rng.integers(0, 12, (5, 6), dtype=np.uint8))
        image.save(tmp_path / "pred" / f"{index}_fake_B.png")
        image.save(tmp_path / "truth" / f"{index}.png")
    monkeypatch.chdir(tmp_path)

    return partial(guidegan, "evaluate", "fcn", "--pred", "pred", "--truth", "truth", "--palette", "camvid")


def test_the_table_lists_classes_and_means(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--suffix", "_fake_B") == 0
    printed = capsys.readouterr().out
    for part in ("FCN scores of 2 images", "pedestrian", "mean of classes", "all pixels", "1.0000"):
        assert part in printed


def test_the_result_is_written_with_its_labels_and_the_confusion_is_drawn(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("--json", "out.json", "--label", "method=bare", "--confusion", "out.png", "--quiet")
    assert evaluate("--suffix", "_fake_B", *wanted) == 0
    assert capsys.readouterr().out == ""
    result = json.loads(Path("out.json").read_text())
    assert (result["metric"], result["labels"], result["class_iou"]) == ("fcn", {"method": "bare"}, 1.0)
    with Image.open("out.png") as figure:
        assert figure.format == "PNG"


def test_a_segmenter_of_the_working_folder_reads_photos(
    evaluate: Callable[..., int | str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("my_fcn_net.py").write_text("from torch import nn\nnet = nn.Conv2d(3, 11, 1)\n")
    assert evaluate("--suffix", "_fake_B", "--segmenter", "my_fcn_net:net", "--json", "-") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["segmenter"] == "my_fcn_net:net"
    assert result["per_pixel_accuracy"] < 1


def test_a_wrong_suffix_ends_in_one_line_that_names_the_option(evaluate: Callable[..., int | str]) -> None:
    ended = str(evaluate())
    assert ended.startswith("guidegan: error: 2 of 2 images of pred have no truth")
    assert "--suffix" in ended
    assert "\n" not in ended


def test_the_result_is_kept_where_the_figure_cannot_be_drawn(
    evaluate: Callable[..., int | str], tmp_path: Path
) -> None:
    assert "cannot write ." in str(evaluate("--suffix", "_fake_B", "--json", "out.json", "--confusion", "."))
    assert json.loads((tmp_path / "out.json").read_text())["metric"] == "fcn"


def test_a_device_that_is_not_there_is_named_also_for_a_segmenter_without_weights(
    evaluate: Callable[..., int | str],
) -> None:
    line = str(evaluate("--suffix", "_fake_B", "--segmenter", "torch.nn:Identity", "--device", "xla"))
    assert line.startswith("guidegan: error: the segmenter cannot run on xla") and line.endswith("change --device")
