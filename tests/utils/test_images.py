"""Image files are told by their names, and one that cannot be used is refused in one line."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.encoding import as_rgb
from guidegan_plugin.datasets.folders import by_stem, images_in
from guidegan_plugin.errors import DataError
from guidegan_plugin.evaluation.attention_statistics import attention_quality
from guidegan_plugin.evaluation.image_folders import find_images, read_image
from guidegan_plugin.evaluation.label_images import read_pixels
from guidegan_plugin.evaluation.stems import images_by_stem
from guidegan_plugin.hosts.junyanz.datasets.checks import corrupt
from guidegan_plugin.hosts.junyanz.result_folder import read_images
from guidegan_plugin.reports.grid import GridColumn, write_grid
from guidegan_plugin.utils.images import IMAGE_SUFFIXES, is_image, list_images, open_image

NOISE = Image.fromarray(np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8))


def torn(path: Path) -> Path:
    """An image that lacks its second half."""
    NOISE.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_known_suffix_is_written_and_read_by_pillow(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    NOISE.save(path)
    assert is_image(path)
    assert open_image(path).size == NOISE.size


@pytest.mark.parametrize("name", ["a.txt", "png", "._a.png", "a.png.tmp"])
def test_other_and_hidden_files_are_no_images(name: str) -> None:
    assert not is_image(Path(name))


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_a_torn_image_is_refused_in_one_line_that_names_file_and_flag(tmp_path: Path, suffix: str) -> None:
    path = torn(tmp_path / f"a{suffix}")
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))} is no readable image \(.+\); .*--pred$") as caught:
        open_image(path, "--pred")
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    NOISE.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="exceeds limit"):
        open_image(tmp_path / "a.png")
    assert corrupt([str(tmp_path / "a.png")])


def test_what_is_missing_or_no_image_is_said_without_naming_the_file_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.png is no readable image \(No such file or directory\)$"):
        open_image(tmp_path / "no.png")
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(DataError, match=r"page\.png is no readable image \(of no known format\)$"):
        open_image(tmp_path / "page.png")


def test_a_mode_that_will_not_do_is_named_with_those_that_will(tmp_path: Path) -> None:
    NOISE.convert("CMYK").save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"has mode CMYK, .* \(L, RGB\); convert it, or change --truth$"):
        open_image(tmp_path / "a.tif", "--truth", ("L", "RGB"))
    assert open_image(tmp_path / "a.tif").mode == "CMYK"


def test_pixels_modes_and_transparency_stay_as_they_are(tmp_path: Path) -> None:
    image = NOISE.quantize(8)
    image.save(tmp_path / "a.png", transparency=3)
    found = open_image(tmp_path / "a.png")
    assert (found.mode, found.info["transparency"]) == ("P", 3)
    assert found.convert("RGB").tobytes() == image.convert("RGB").tobytes()


def _score_attention(path: Path) -> None:
    Image.new("L", (4, 4), 255).save(path.with_name("x.png"))
    attention_quality(path.parent, path.parent, "_map")


READERS: dict[str, Callable[[Path], object]] = {
    "kid": lambda path: read_image(path, "--fake"),
    "fcn": lambda path: read_pixels(path, "--pred"),
    "grid": lambda path: write_grid(path.parent / "out" / "grid.png", [GridColumn("one", path.parent)]),
    "attention": _score_attention,
    "data": lambda path: as_rgb(open_image(path)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("format", "place", "value"),
    [("PPM", 4, 0), ("TIFF", 12, 7), ("BMP", 25, 255)],
    ids=["PPM_a_ValueError", "TIFF_a_ValueError", "BMP_a_bomb"],
)
def test_every_reader_refuses_damage_that_is_no_os_error_to_pillow(
    tmp_path: Path, format: str, place: int, value: int, read: Callable[[Path], object]
) -> None:
    buffer = io.BytesIO()
    NOISE.save(buffer, format)
    content = bytearray(buffer.getvalue())
    content[place] = value
    (tmp_path / "x_map.png").write_bytes(content)
    with pytest.raises(DataError, match=r"x_map\.png is no readable image"):
        read(tmp_path / "x_map.png")


def test_folders_take_every_known_suffix(tmp_path: Path) -> None:
    for suffix in IMAGE_SUFFIXES:
        NOISE.save(tmp_path / f"{suffix[1:]}{suffix}")
    stems = sorted(suffix[1:] for suffix in IMAGE_SUFFIXES)
    assert [path.stem for path in find_images(tmp_path, "--fake")] == stems
    assert list(images_by_stem(tmp_path, "--pred")) == stems
    assert write_grid(tmp_path / "out" / "grid.png", [GridColumn("one", tmp_path)], count=99, size=16) == stems


def _hidden_beside(folder: Path, name: str = "a.png") -> Path:
    """One image, with what macOS and Jupyter leave beside images."""
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    for place in (folder / name, folder / f"._{name}", folder / ".ipynb_checkpoints" / f"copy_{name}"):
        NOISE.save(place)
    return folder / name


def test_images_are_listed_by_name_with_subfolders_where_asked(tmp_path: Path) -> None:
    image = _hidden_beside(tmp_path)
    deep = _hidden_beside(tmp_path / "0" / "1")
    (tmp_path / "0" / "folder.png").mkdir()
    (tmp_path / "notes.txt").touch()
    assert list_images(tmp_path) == [image]
    assert list_images(tmp_path, deep=True) == [deep, image]
    with pytest.raises(FileNotFoundError):
        list_images(tmp_path / "none")


LISTERS: dict[str, Callable[[Path], list[str]]] = {
    "data": lambda folder: [path.stem for path in images_in(folder, deep=True)],
    "pairs": lambda folder: list(by_stem(folder, deep=True)),
    "kid": lambda folder: [path.stem for path in find_images(folder, "--fake")],
    "fcn": lambda folder: list(images_by_stem(folder, "--pred")),
    "grid": lambda folder: write_grid(folder / "out" / "grid.png", [GridColumn("one", folder)], size=16),
    "gallery": lambda folder: [f"{sample.name}_real_A" for sample in read_images(folder)],
}


@pytest.mark.parametrize("listed", LISTERS.values(), ids=LISTERS)
def test_every_reader_passes_over_hidden_files_and_folders(tmp_path: Path, listed: Callable[[Path], list[str]]) -> None:
    _hidden_beside(tmp_path, "a_real_A.png")
    assert listed(tmp_path) == ["a_real_A"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe.png is no readable image \(Not a plain file\)"):
        open_image(tmp_path / "pipe.png")
