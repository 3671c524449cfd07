from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.cityscapes import plan_cityscapes
from guidegan_plugin.datasets.labelled import Style
from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.errors import ConfigError, DataError

ROAD, PARKING = (128, 64, 128), (250, 170, 160)
SIZE = 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three photos in the layout of leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip; road above parking."""
    cities = {
        "train": ["aachen_000000_000019", "ulm_000001_000019"],
        "val": ["lindau_000002_000019"],
        "test": ["bonn_0"],
    }
    ids = np.repeat(np.array([7, 9], dtype=np.uint8), 16)[:, None].repeat(64, axis=1)
    colours = np.where(ids[..., None] == 7, ROAD, PARKING).astype(np.uint8)
    for split, stems in cities.items():
        for stem in stems:
            photos, labels = (tmp_path / kind / split / stem.split("_")[0] for kind in ("leftImg8bit", "gtFine"))
            for folder in (photos, labels):
                folder.mkdir(parents=True)
            Image.new("RGB", (64, 32), (10, 20, 30)).save(photos / f"{stem}_leftImg8bit.png")
            Image.fromarray(ids).save(labels / f"{stem}_gtFine_labelIds.png")
            Image.fromarray(colours).convert("RGBA").save(labels / f"{stem}_gtFine_color.png")
    (tmp_path / "license.txt").write_text("")
    return tmp_path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_photo_is_left_and_label_right_and_val_is_the_test(root: Path, tmp_path: Path) -> None:
    result = prepare(plan_cityscapes(root, style=Style(size=SIZE)), tmp_path / "out", workers=1)
    assert result.images == {"test": 1, "train": 2}
    pair = pixels(tmp_path / "out" / "train" / "aachen_000000_000019.png")
    assert pair.shape == (SIZE, 2 * SIZE, 3)
    assert (pair[:, :SIZE] == (10, 20, 30)).all()
    # Resized without a colour in between.
    assert (pair[: SIZE // 2, SIZE:] == ROAD).all() and (pair[SIZE // 2 :, SIZE:] == PARKING).all()


def test_unpaired_has_photos_in_a_and_labels_in_b(root: Path, tmp_path: Path) -> None:
    result = prepare(plan_cityscapes(root, style=Style("unpaired", SIZE)), tmp_path / "out", workers=1)
    assert result.images == {"testA": 1, "testB": 1, "trainA": 2, "trainB": 2}
    assert (pixels(tmp_path / "out" / "testA" / "lindau_000002_000019.png") == (10, 20, 30)).all()
    assert (pixels(tmp_path / "out" / "testB" / "lindau_000002_000019.png")[0] == ROAD).all()


def test_ids_are_painted_in_the_scored_colours_and_kept(root: Path, tmp_path: Path) -> None:
    result = prepare(plan_cityscapes(root, labels="ids", style=Style(size=SIZE)), tmp_path / "out", workers=1)
    assert result.images == {"labels/test": 1, "labels/train": 2, "test": 1, "train": 2}
    label = pixels(tmp_path / "out" / "test" / "lindau_000002_000019.png")[:, SIZE:]
    assert (label[: SIZE // 2] == ROAD).all() and (label[SIZE // 2 :] == 0).all()
    assert np.unique(pixels(tmp_path / "out" / "labels" / "test" / "lindau_000002_000019.png")).tolist() == [7, 9]


def test_a_photo_without_label_is_named_before_anything_is_written(root: Path) -> None:
    (root / "gtFine" / "train" / "ulm" / "ulm_000001_000019_gtFine_color.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 photos have no label, as .*ulm_000001_000019_gtFine_color.png"):
        plan_cityscapes(root)


def test_a_missing_half_says_what_to_unpack(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"leftImg8bit_trainvaltest\.zip"):
        plan_cityscapes(tmp_path)


def test_unknown_labels_kinds_and_sizes_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="--labels"):
        plan_cityscapes(root, labels="odd")
    with pytest.raises(ConfigError, match="--kind"):
        Style("odd")
    with pytest.raises(ConfigError, match="--size"):
        Style(size=0)


def test_what_macos_leaves_beside_photos_is_no_photo(root: Path) -> None:
    before = plan_cityscapes(root).identity()
    (root / "leftImg8bit" / "train" / "aachen" / "._aachen_000000_000019_leftImg8bit.png").touch()
    assert plan_cityscapes(root).identity() == before
