from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.encoding import Encoding
from guidegan_plugin.datasets.joined_pairs import plan_pairs
from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.errors import DataError


def save(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_images_of_one_name_stand_side_by_side_and_subfolders_are_kept(tmp_path: Path) -> None:
    for phase in ("train", "test"):
        save(tmp_path / "a" / phase / "x.bmp", (255, 0, 0))
        save(tmp_path / "b" / phase / "x.png", (0, 0, 255))
    result = prepare(plan_pairs(tmp_path / "a", tmp_path / "b"), tmp_path / "out", workers=1)
    assert result.images == {"test": 1, "train": 1}
    with Image.open(tmp_path / "out" / "train" / "x.png") as pair:
        pixels = np.asarray(pair)
    assert pixels.shape == (4, 12, 3)
    assert (pixels[:, :6] == (255, 0, 0)).all() and (pixels[:, 6:] == (0, 0, 255)).all()


def test_images_in_the_folder_itself_are_split(tmp_path: Path) -> None:
    for number in range(10):
        for domain in "ab":
            save(tmp_path / domain / f"{number}.png", (number, 0, 0))
    plan = plan_pairs(tmp_path / "a", tmp_path / "b", encoding=Encoding("jpg"))
    assert prepare(plan, tmp_path / "out", workers=1).images == {"test": 2, "train": 8}
    assert {path.suffix for path in (tmp_path / "out" / "train").iterdir()} == {".jpg"}


def test_an_image_without_counterpart_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png", (0, 0, 0))
    save(tmp_path / "b" / "x.png", (0, 0, 0))
    save(tmp_path / "b" / "y.png", (0, 0, 0))
    with pytest.raises(DataError, match=r"1 of the images in .*b have no counterpart in .*a, as y"):
        plan_pairs(tmp_path / "a", tmp_path / "b")


def test_two_images_that_differ_by_suffix_alone_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png", (0, 0, 0))
    save(tmp_path / "a" / "x.bmp", (0, 0, 0))
    with pytest.raises(DataError, match="have one name but for the suffix"):
        plan_pairs(tmp_path / "a", tmp_path / "a")


def test_a_pair_of_two_sizes_is_left_out_and_named(tmp_path: Path) -> None:
    for name, size in (("x", (6, 4)), ("y", (5, 4))):
        save(tmp_path / "a" / "train" / f"{name}.png", (0, 0, 0))
        save(tmp_path / "b" / "train" / f"{name}.png", (0, 0, 0), size)
    result = prepare(plan_pairs(tmp_path / "a", tmp_path / "b"), tmp_path / "out", workers=1)
    assert result.images == {"train": 1}
    assert len(result.failures) == 1 and "A is 6 x 4, B is 5 x 4" in result.failures[0]
