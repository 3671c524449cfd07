from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.reports.gallery.pictures import blend, evenness, load, overlay


def image(values: object) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


NOISE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MAP = np.random.default_rng(1).integers(0, 256, (6, 8), dtype=np.uint8)


def test_rhp_is_shown_as_half_of_equation_4_as_monitors_show_it() -> None:
    shown = blend(image(NOISE), image(MAP), ResidualHadamard())
    x, a = NOISE / 127.5 - 1, MAP[..., None] / 255
    expected = ((a + 1) / 2 * x + 1) * 127.5
    assert shown is not None and np.abs(np.asarray(shown) - expected).max() <= 0.51


def test_alpha_is_shown_as_opacity_over_gray_and_others_are_not() -> None:
    shown = blend(image(NOISE), image(np.zeros((2, 2))), AlphaChannel())
    assert np.asarray(shown).tolist() == np.full_like(NOISE, 128).tolist()
    assert np.array_equal(np.asarray(blend(image(NOISE), image(np.full((2, 2), 255)), AlphaChannel())), NOISE)
    assert blend(image(NOISE), image(MAP), None) is None


def test_an_overlay_leaves_the_image_where_nobody_looks() -> None:
    corner = np.zeros((6, 8))
    corner[0, 0] = 255
    shown = np.asarray(overlay(image(NOISE), image(corner)), int)
    assert np.array_equal(shown[3:, 4:], NOISE[3:, 4:])
    assert np.abs(shown[0, 0] - (0.25 * NOISE[0, 0] + 0.75 * np.array([255, 106, 0]))).max() <= 0.51


def test_evenness_is_the_entropy_of_32_by_32_areas() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (96, 64), dtype=np.uint8)
    areas = pixels.reshape(32, 3, 32, 2).astype(float).mean((1, 3)).round().ravel()  # Pillow's are whole numbers
    shares = areas / areas.sum()
    assert evenness(pixels) == pytest.approx(-(shares * np.log(shares)).sum() / np.log(1024), abs=1e-4)
    assert evenness(np.full((4, 4), 9, np.uint8)) == pytest.approx(1)
    assert evenness(np.zeros((4, 4), np.uint8)) == 1
    assert evenness(np.uint8(255) * np.eye(1, 1024, dtype=np.uint8).reshape(32, 32)) == pytest.approx(0)


def test_evenness_is_nearly_the_same_whatever_the_size_of_the_picture(tmp_path: Path) -> None:
    small = image(np.random.default_rng(3).integers(0, 256, (31, 31)) // 255 * 255)
    found = []
    for size in (128, 256, 1024):
        small.resize((size, size), Image.Resampling.BILINEAR).save(tmp_path / "map.png")
        found.append(evenness(tmp_path / "map.png"))
    assert max(found) - min(found) < 0.005 and max(found) < 0.9


def test_thumbnails_shrink_but_do_not_grow_and_maps_do(tmp_path: Path) -> None:
    image(NOISE).save(tmp_path / "x.png")
    assert load(tmp_path / "x.png", 4).size == (4, 3)
    assert load(tmp_path / "x.png", 400).size == (8, 6)
    assert load(MAP, 40).size == (40, 30)
    assert load(MAP, 40, frame=(9, 18)).size == (20, 40), "a map is of the whole image, whatever its cells"
    assert np.array_equal(np.asarray(load(tmp_path / "x.png", 400, crop=1)), NOISE[:, 4:])
