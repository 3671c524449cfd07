from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.camvid import plan_camvid
from guidegan_plugin.datasets.labelled import Style
from guidegan_plugin.datasets.palettes import CAMVID
from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.errors import DataError

SIZE = 12


def make(photos: Path, labels: Path, count: int) -> None:
    """Photos, and labels that hold each of the 12 ids in a column."""
    for folder in (photos, labels):
        folder.mkdir(parents=True)
    ids = np.arange(SIZE, dtype=np.uint8)[None].repeat(SIZE, axis=0)
    for number in range(count):
        Image.new("RGB", (24, 24), (number, 0, 0)).save(photos / f"{number}.jpg")
        Image.fromarray(ids).save(labels / f"{number}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        make(tmp_path / "camvid" / split, tmp_path / "camvid" / f"{split}annot", count)
    return tmp_path / "camvid"


def test_ids_become_segnets_colours_beside_the_photo_and_are_kept(root: Path, tmp_path: Path) -> None:
    result = prepare(plan_camvid(root, style=Style(size=SIZE)), tmp_path / "out", workers=1)
    folders = {"train": 2, "val": 1, "test": 1}
    assert result.images == folders | {f"labels/{split}": count for split, count in folders.items()}
    with Image.open(tmp_path / "out" / "train" / "1.png") as pair:
        assert pair.size == (2 * SIZE, SIZE)
        assert [tuple(colour) for colour in np.asarray(pair)[0, SIZE:].tolist()] == [
            entry.colour for entry in CAMVID.entries
        ]
    with Image.open(tmp_path / "out" / "labels" / "train" / "1.png") as ids:
        assert np.asarray(ids)[0].tolist() == list(range(SIZE))


def test_the_layout_of_photo_and_label_folders_is_known_too(tmp_path: Path) -> None:
    make(tmp_path / "camvid" / "train" / "photo", tmp_path / "camvid" / "train" / "label", 3)
    plan = plan_camvid(tmp_path / "camvid", style=Style("unpaired", SIZE))
    assert prepare(plan, tmp_path / "out", workers=1).images == {"labels/train": 3, "trainA": 3, "trainB": 3}


def test_ids_of_no_class_and_pictures_in_colours_are_named(root: Path, tmp_path: Path) -> None:
    Image.new("L", (SIZE, SIZE), 30).save(root / "trainannot" / "0.png")
    Image.new("RGB", (SIZE, SIZE)).save(root / "trainannot" / "1.png")
    failures = prepare(plan_camvid(root), tmp_path / "out", workers=1).failures
    assert len(failures) == 2
    assert "class ids 30 are not among those of the 12 classes" in failures[0]
    assert "has mode L, this one RGB" in failures[1]


def test_folders_that_differ_and_folders_that_are_not_camvid_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "valannot" / "0.png").unlink()
    with pytest.raises(DataError, match=r"val and .*valannot differ by 1 images, as 0"):
        plan_camvid(root)
    with pytest.raises(DataError, match="neither train and trainannot nor train/photo and train/label"):
        plan_camvid(tmp_path)


def test_two_photos_of_one_name_are_refused(root: Path) -> None:
    Image.new("RGB", (24, 24)).save(root / "train" / "1.png")
    with pytest.raises(DataError, match="have one name but for the suffix"):
        plan_camvid(root)


def test_a_label_of_another_shape_than_its_photo_is_left_out_with_the_reason(root: Path, tmp_path: Path) -> None:
    Image.new("RGB", (24, 12)).save(root / "train" / "1.jpg")
    (failure,) = prepare(plan_camvid(root, style=Style(size=SIZE)), tmp_path / "out", workers=1).failures
    assert "1.jpg: the photo is 24 x 12, its label 12 x 12" in failure
