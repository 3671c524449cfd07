from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.datasets.palettes import CAMVID, LabelClass
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.palette_file import load_palette


def write(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_our_own_palettes_go_by_name() -> None:
    assert load_palette("camvid") is CAMVID


def test_lines_are_classes_by_their_number_and_ignore_is_not_scored(tmp_path: Path) -> None:
    text = "# mine\nroad 128 64 128\nignore 0 0 0  # black\n\ntraffic light 250 170 30\n"
    palette = load_palette(write(tmp_path, "mine.txt", text))
    assert palette.classes == (
        LabelClass("road", (128, 64, 128), (0,)),
        LabelClass("traffic light", (250, 170, 30), (2,)),
    )
    assert palette.void == (LabelClass("ignore", (0, 0, 0), (1,)),)


def test_json_chooses_ids(tmp_path: Path) -> None:
    text = """{"classes": [{"name": "road", "colour": [1, 2, 3], "ids": [7, 8]}, {"name": "car", "colour": [4, 5, 6]}],
               "ignore": [{"ids": [255]}]}"""
    palette = load_palette(write(tmp_path, "mine.json", text))
    assert palette.classes == (LabelClass("road", (1, 2, 3), (7, 8)), LabelClass("car", (4, 5, 6), (1,)))
    assert palette.void == (LabelClass("ignore", None, (255,)),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.txt", "road 128 64\n"),
        ("mine.txt", "road red 64 128\n"),
        ("mine.txt", ""),
        ("mine.json", "{"),
        ("mine.json", "[" * 100_000),
        ("mine.json", '{"classes": [{"name": "road", "colour": [0.5, 0.2, 0.1]}]}'),
        ("mine.json", '{"classes": [{"name": "road", "colour": [Infinity, 0, 0]}]}'),
        ("mine.json", '{"classes": [{"name": "road", "colour": [1, 2, 3], "ids": "12"}]}'),
        ("mine.json", "[]"),
        ("mine.json", '{"classes": [{"name": "road", "colour": [1, 2, 3], "id": [7]}]}'),
        ("mine.json", '{"classes": [{"name": "road", "colour": [1, 2, 3]}], "ignored": []}'),
        ("mine.json", '{"classes": [{"name": "road"}]}'),
        ("mine.json", '{"classes": [{"name": "road", "colour": [1, 2]}]}'),
    ],
)
def test_a_file_that_says_no_palette_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"palette {name}.*--palette"):
        load_palette(write(tmp_path, name, text))


def test_neither_a_name_nor_a_file_lists_the_names() -> None:
    with pytest.raises(ConfigError, match="nowhere is none of camvid, cityscapes, cityscapes-trainids and no file"):
        load_palette("nowhere")


def test_the_mark_that_windows_editors_begin_a_file_with_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert load_palette(write(tmp_path, "mine.txt", "\ufeffroad 1 2 3\n")).names == ["road"]
