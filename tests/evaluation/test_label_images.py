from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.palettes import CAMVID, CITYSCAPES, PALETTES, Palette
from guidegan_plugin.errors import DataError
from guidegan_plugin.evaluation.label_images import labels_from_colours, nearest_labels, read_labels, read_pixels

RNG = np.random.default_rng(0)


def painted(palette: Palette, places: np.ndarray) -> np.ndarray:
    return np.array([entry.colour or (0, 0, 0) for entry in palette.entries], dtype=np.uint8)[places]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_ids_and_colours_of_one_image_are_the_same_labels(tmp_path: Path, mode: str) -> None:
    ids = RNG.integers(12, size=(7, 5), dtype=np.uint8)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    colours = Image.fromarray(painted(CAMVID, ids))
    colours = colours.quantize(12) if mode == "P" else colours.convert(mode)
    colours.save(tmp_path / "colours.png")
    assert (read_labels(tmp_path / "ids.png", CAMVID) == ids).all()
    assert (read_labels(tmp_path / "colours.png", CAMVID) == ids).all()


def test_what_is_not_scored_shares_one_label(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 6, 18, 30, 7, 33]], dtype=np.uint8)).save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png", CITYSCAPES).tolist() == [[19, 19, 19, 19, 0, 18]]


def test_unknown_ids_and_colours_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 12, 13]], dtype=np.uint8)).save(tmp_path / "ids.png")
    with pytest.raises(DataError, match=r"ids\.png has 2 pixels of unknown ids, the first 12.*camvid.*--truth"):
        read_labels(tmp_path / "ids.png", CAMVID)
    Image.fromarray(np.array([[(128, 64, 128), (1, 2, 3)]], dtype=np.uint8)).save(tmp_path / "colours.png")
    with pytest.raises(DataError, match=r"colours\.png has 1 pixels of unknown colours, the first \(1, 2, 3\)"):
        read_labels(tmp_path / "colours.png", CAMVID)


def test_train_ids_read_as_label_ids_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 13, 255]], dtype=np.uint8)).save(tmp_path / "a_labelTrainIds.png")
    with pytest.raises(DataError, match="the first 255"):
        read_labels(tmp_path / "a_labelTrainIds.png", CITYSCAPES)
    train_ids = PALETTES["cityscapes-trainids"]
    assert read_labels(tmp_path / "a_labelTrainIds.png", train_ids).tolist() == [[0, 13, 19]]


def test_images_that_cannot_be_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(DataError, match=r"torn\.png is no readable image.*--pred"):
        read_pixels(tmp_path / "torn.png", "--pred")
    Image.fromarray(np.zeros((2, 2), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png has mode I;16, 8 bits"):
        read_pixels(tmp_path / "deep.png", "--pred")
    Image.new("RGBA", (2, 2)).save(tmp_path / "clear.png")
    with pytest.raises(DataError, match=r"clear\.png has transparent pixels"):
        read_pixels(tmp_path / "clear.png", "--pred")


@pytest.mark.parametrize("palette", [CAMVID, CITYSCAPES], ids=lambda palette: palette.name)
def test_nearest_colour_equals_a_search_over_all_distances(palette: Palette) -> None:
    colours = RNG.integers(256, size=(40, 30, 3), dtype=np.uint8)
    table = [(entry.colour, palette.label(i)) for i, entry in enumerate(palette.entries) if entry.colour is not None]
    known, labels = np.array([colour for colour, _ in table], dtype=float), np.array([label for _, label in table])
    distances = np.linalg.norm(colours[..., None, :] - known, axis=-1)
    assert (nearest_labels(colours, palette) == labels[distances.argmin(axis=-1)]).all()


def test_a_palette_s_own_colours_are_nearest_to_themselves() -> None:
    colours = painted(CAMVID, np.arange(12)[None])
    assert (nearest_labels(colours, CAMVID) == labels_from_colours(colours, CAMVID)).all()
