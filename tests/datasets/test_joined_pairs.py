from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.encoding import Encoding
from guidegan_plugin.datasets.joined_pairs import joined, plan_pairs
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


def test_a_photo_that_its_camera_turned_is_joined_upright(tmp_path: Path) -> None:
    photo = Image.new("RGB", (8, 4))
    photo.putpixel((0, 0), (255, 0, 0))
    exif = photo.getexif()
    exif[274] = 6  # to be turned by a quarter to the right
    photo.save(tmp_path / "a.png", exif=exif)
    Image.new("RGB", (4, 8)).save(tmp_path / "b.png")
    (content,) = joined((tmp_path / "a.png", tmp_path / "b.png"), Encoding())
    pair = Image.open(io.BytesIO(content))
    assert pair.size == (8, 8) and pair.getpixel((3, 0)) == (255, 0, 0) and 274 not in pair.getexif()


@pytest.mark.parametrize("alpha", [254, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_transparent_image_is_refused_and_an_opaque_one_with_that_channel_is_not(
    tmp_path: Path, mode: str, alpha: int
) -> None:
    if mode == "P":
        Image.new("RGB", (4, 4)).convert("P").save(tmp_path / "a.png", transparency=bytes([alpha]))
    else:
        Image.new("RGBA", (4, 4), (9, 9, 9, alpha)).convert(mode).save(tmp_path / "a.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    if alpha == 255:
        assert joined((tmp_path / "a.png", tmp_path / "b.png"), Encoding())
        return
    with pytest.raises(DataError, match="this one is transparent; flatten it first"):
        joined((tmp_path / "a.png", tmp_path / "b.png"), Encoding())
