from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from guidegan_plugin.datasets import published
from guidegan_plugin.datasets.published import FOLDERS, check_dataset
from guidegan_plugin.errors import ConfigError, DataError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set as complete as the small counts it is compared with."""
    monkeypatch.setattr(published, "COUNTS", {"apple2orange": (3, 2, 1, 1)})
    for folder, count in zip(FOLDERS, (3, 2, 1, 1), strict=True):
        (tmp_path / folder).mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / folder / f"{number}.jpg")
    return tmp_path


def problems(root: Path, dataset: str | None = "apple2orange") -> list[str]:
    return [found.problem for found in check_dataset(root, dataset, workers=1) if found.problem]


def test_a_complete_data_set_has_no_problem(root: Path) -> None:
    (root / "trainA" / "Thumbs.db").write_text("")
    assert problems(root) == []
    assert [found.found for found in check_dataset(root, workers=1)] == [3, 2, 1, 1]


def test_the_counts_are_the_published_ones() -> None:
    assert published.COUNTS == {
        "apple2orange": (995, 1019, 266, 248),
        "horse2zebra": (1067, 1334, 120, 140),
        "summer2winter": (1231, 962, 309, 238),
    }


def test_missing_folders_and_images_are_named(root: Path) -> None:
    (root / "trainA" / "0.jpg").unlink()
    (root / "testB" / "0.jpg").unlink()
    (root / "testB").rmdir()
    assert problems(root) == ["trainA has 2 images, published are 3", "testB is missing"]
    assert problems(root, None) == ["testB is missing"]


def test_images_that_do_not_open_to_the_last_byte_are_listed(root: Path) -> None:
    torn = root / "trainB" / "1.jpg"
    torn.write_bytes(torn.read_bytes()[:-40])
    assert problems(root) == ["1 of trainB cannot be read"]
    (line,) = check_dataset(root, workers=1)[1].unreadable
    assert line.startswith(f"{torn} is no readable image (")


def test_modes_are_counted(root: Path) -> None:
    Image.new("L", (8, 8)).save(root / "trainA" / "1.jpg")
    assert check_dataset(root, workers=1)[0].modes == {"RGB": 2, "L": 1}


def test_unknown_data_sets_and_missing_roots_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of apple2orange, found 'odd'; change --dataset"):
        check_dataset(root, "odd")
    with pytest.raises(DataError, match="no folder"):
        check_dataset(root / "none")
