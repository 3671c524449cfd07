from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.errors import DataError
from guidegan_plugin.evaluation.stems import images_by_stem, require


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b_fake_B.png", "a_fake_B.jpg", "a_real_A.png", "city/c_fake_B.PNG", "notes_fake_B.txt", ".x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_images_are_found_by_suffix_in_subfolders_too(folder: Path) -> None:
    assert list(images_by_stem(folder, "--pred", "_fake_B")) == ["a", "b", "c"]
    assert list(images_by_stem(folder, "--pred")) == ["a_fake_B", "a_real_A", "b_fake_B", "c_fake_B"]


def test_two_images_of_one_name_are_refused(folder: Path) -> None:
    (folder / "city" / "b_fake_B.jpg").touch()
    with pytest.raises(DataError, match=r"b_fake_B.png and .*b_fake_B.jpg have one name.*--pred"):
        images_by_stem(folder, "--pred", "_fake_B")


def test_a_folder_that_is_missing_or_holds_no_such_image_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder; change --truth"):
        images_by_stem(folder / "nowhere", "--truth")
    with pytest.raises(DataError, match=r"holds no image \*_rec_A.png"):
        images_by_stem(folder, "--truth", "_rec_A")


def test_missing_partners_are_counted_and_the_first_is_named() -> None:
    with pytest.raises(DataError, match="2 of 3 images have no truth, the first a; change --truth"):
        require(["a", "b", "c"], {"b": Path("b.png")}, "images have no truth", "change --truth")
