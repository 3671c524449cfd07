from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.datasets.splits import draw_test, plan_split
from guidegan_plugin.errors import ConfigError, DataError


def fill(folder: Path, count: int, suffix: str = "jpg") -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.{suffix}")
    return folder


def chosen(root: Path, folder: str) -> set[str]:
    return {path.name for path in (root / folder).iterdir()}


@pytest.mark.parametrize(("count", "expected"), [(1, 0), (2, 1), (5, 1), (7, 1), (8, 2), (100, 20)])
def test_the_share_is_met_to_the_nearest_image_with_one_on_either_side(count: int, expected: int) -> None:
    assert sum(draw_test([1] * count, 0.2, seed=3)) == expected
    assert sum(draw_test([1] * count, 0, seed=3)) == 0


def test_groups_stay_whole_and_meet_the_share_of_images() -> None:
    sizes = np.random.default_rng(0).integers(1, 9, 500).tolist()
    tests = draw_test(sizes, 0.2, seed=0)
    share = sum(size for size, tested in zip(sizes, tests, strict=True) if tested) / sum(sizes)
    assert abs(share - 0.2) < 9 / sum(sizes)


@pytest.mark.parametrize(("test", "seed", "flag"), [(1.0, 0, "--test"), (-0.1, 0, "--test"), (0.2, -1, "--seed")])
def test_a_share_or_seed_out_of_range_is_refused(test: float, seed: int, flag: str) -> None:
    with pytest.raises(ConfigError, match=flag):
        draw_test([1] * 5, test, seed)


def test_two_domains_are_copied_byte_for_byte_into_the_hosts_folders(tmp_path: Path) -> None:
    folders = fill(tmp_path / "day", 10), fill(tmp_path / "night", 20, "png")
    prepare(plan_split(folders, seed=1), tmp_path / "out", workers=1)
    for folder, domain, count in ((folders[0], "A", 10), (folders[1], "B", 20)):
        train, test = chosen(tmp_path / "out", f"train{domain}"), chosen(tmp_path / "out", f"test{domain}")
        assert len(test) == count // 5 and not train & test
        assert train | test == {path.name for path in folder.iterdir()}
        for name in train:
            assert (tmp_path / "out" / f"train{domain}" / name).read_bytes() == (folder / name).read_bytes()


def test_one_folder_becomes_train_and_test_by_the_seed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "all", 30)
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        prepare(plan_split([folder], test=0.5, seed=seed), tmp_path / name, workers=1)
    first, again, other = (chosen(tmp_path / name, "test") for name in ("first", "again", "other"))
    assert first == again != other
    assert len(first) == len(chosen(tmp_path / "first", "train")) == 15


def test_domains_of_the_same_names_are_drawn_apart(tmp_path: Path) -> None:
    plan = plan_split([fill(tmp_path / "a", 40), fill(tmp_path / "b", 40)])
    targets = [target for job in plan.jobs for target in job.targets]
    tests = [{target.split("/")[1] for target in targets if target.startswith(f"test{domain}")} for domain in "AB"]
    assert tests[0] != tests[1]


def test_a_torn_image_is_left_out_and_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "all", 10)
    content = (folder / "3.jpg").read_bytes()
    (folder / "3.jpg").write_bytes(content[: len(content) // 2])
    (folder / "4.jpg").write_text("<html>")
    failures = prepare(plan_split([folder]), tmp_path / "out", workers=1).failures
    named = [failure.split(" is no readable image")[0] for failure in failures]
    assert named == [str(folder / "3.jpg"), str(folder / "4.jpg")]
    assert "truncated" in failures[0].lower() and "of no known format" in failures[1]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "all" / "deep", 2)
    with pytest.raises(DataError, match="subfolders are not read"):
        plan_split([tmp_path / "all"])
    with pytest.raises(DataError, match="there is no such folder"):
        plan_split([tmp_path / "none"])


def test_one_folder_as_both_domains_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "1.png")
    plan_split([tmp_path, tmp_path])
    assert "A and B are one folder" in caplog.text
