"""What is read of a folder of JSON files, and what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.reports.result_files import one_line, read_results


def test_results_are_found_at_any_depth_and_by_name(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "runs" / "deep" / "er" / "a.json", 1.5, 2.5, method="bare")
    named = kid_result(tmp_path / "elsewhere" / "b.json", 3.5, method="bare", seed="1")
    results, skipped = read_results([tmp_path / "runs", named])
    assert [dict(result.scores) for result in results] == [{"target": 3.5}, {"target": 1.5, "mean": 2.5}]
    assert results[1].spreads == {"target": 0.5, "mean": 0.25}
    assert not skipped


def test_hidden_copies_are_passed_over(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    path = kid_result(tmp_path / "a.json", 1.5, method="bare")
    for copy in (tmp_path / ".ipynb_checkpoints" / "a-checkpoint.json", tmp_path / "._a.json"):
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    results, skipped = read_results([tmp_path])
    assert [result.path for result in results] == [path] and not skipped


def test_a_file_that_is_reached_twice_counts_once(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    path = kid_result(tmp_path / "a.json", 1.5, method="bare")
    assert len(read_results([tmp_path, path])[0]) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"metric": "kid", "labels": {"me', "torn, or no JSON (JSONDecodeError)"),
        (b"\xff\xfe", "torn, or no JSON (UnicodeDecodeError)"),
        ("[" * 100_000, "torn, or no JSON (RecursionError)"),
        ("[1, 2]", "no key metric"),
        ('{"a": 1}', "no key metric"),
        ('{"metric": "psnr", "labels": {"method": "bare"}}', "unknown metric 'psnr'; known are kid, fcn, attention"),
        ('{"metric": "kid", "target": {"kid_x100": 1}}', "evaluate with --label method=NAME"),
        ('{"metric": "kid", "labels": {"method": "bare"}, "target": 3}', "target has no kid_x100"),
        ('{"metric": "kid", "labels": {"method": "bare"}, "target": null}', "no scores of kid"),
        ('{"metric": "fcn", "labels": {"method": "bare"}, "class_iou": NaN}', "class_iou is no finite number: nan"),
        ('{"metric": "fcn", "labels": {"method": "bare"}, "class_iou": "0.5"}', "class_iou is no finite number: 0.5"),
        ('{"metric": "fcn", "labels": {"method": "bare"}, "class_iou": true}', "class_iou is no finite number: True"),
    ],
)
def test_a_foreign_or_torn_file_is_named_in_a_warning_and_skipped(
    tmp_path: Path,
    kid_result: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    content: str | bytes,
    reason: str,
) -> None:
    kid_result(tmp_path / "good.json", 1, method="bare")
    (tmp_path / "odd.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    results, skipped = read_results([tmp_path])
    assert [result.path.name for result in results] == ["good.json"]
    assert [one.path.name for one in skipped] == ["odd.json"] and reason in skipped[0].reason
    assert f"skipped {tmp_path / 'odd.json'}: " in caplog.text


def test_a_folder_without_results_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no results of guidegan evaluate --json in .*; change DIR"):
        read_results([tmp_path])
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match=r"the first of 1 skipped: .*a\.json: no result .*; change DIR"):
        read_results([tmp_path])


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist; change DIR"):
        read_results([tmp_path / "nowhere"])


def test_one_run_twice_is_refused_naming_both_files(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare", seed="1")
    kid_result(tmp_path / "b.json", 2, method="bare", seed="1")
    with pytest.raises(DataError, match=r"a\.json and .*b\.json are both KID of method 'bare'.*--label seed="):
        read_results([tmp_path])


@pytest.mark.parametrize(
    ("features", "title", "shown"),
    [
        ("inception", "KID", "KID"),
        ("shapes", "KID (features: shapes)", "KID (features: shapes)"),
        ("shapes", "KID", "KID (features: shapes)"),
        ("inception", "KID (features: x)", "KID (features: inception)"),
        ("", "KID", "KID (features: unknown)"),
    ],
)
def test_only_inception_is_plain_kid_whatever_a_file_says(
    tmp_path: Path, kid_result: Callable[..., Path], features: str, title: str, shown: str
) -> None:
    path = kid_result(tmp_path / "a.json", 1, method="bare")
    path.write_text(json.dumps({**json.loads(path.read_text()), "features": features, "title": title}))
    assert read_results([path])[0][0].title == shown


def test_a_segmenter_is_known_by_its_weights_wherever_they_lie(tmp_path: Path, fcn_result: Callable[..., Path]) -> None:
    for name, weights in (("a", "11"), ("b", "11"), ("c", "22")):
        path = fcn_result(tmp_path / f"{name}.json", 0.5, 0.5, 0.5, method=name)
        facts = {"segmenter": f"/{name}/net.pt", "segmenter_sha256": weights, "palette": "camvid"}
        path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    one, other, different = (result.evaluator for result in read_results([tmp_path])[0])
    assert one == other == (("segmenter_sha256", "11"), ("palette", "camvid"))
    assert different != one


def test_labels_are_one_printable_line() -> None:
    assert one_line("a\nb\x1b[31m\u202ec\t d") == "a b [31m c d"
    assert len(one_line("x" * 1000)) == 200


def test_one_file_under_two_names_counts_once(
    tmp_path: Path, kid_result: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kid_result(tmp_path / "a.json", 1.0, method="bare")
    monkeypatch.chdir(tmp_path)
    assert len(read_results([Path("a.json"), path])[0]) == 1
