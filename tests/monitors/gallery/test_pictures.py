from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.monitors.gallery.pictures import blend, load, overlay, spread


def image(values: object) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


NOISE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MAP = np.random.default_rng(1).integers(0, 256, (6, 8), dtype=np.uint8)


def test_rhp_is_shown_as_half_of_equation_4_as_monitors_show_it() -> None:
    shown = blend(image(NOISE), image(MAP), "rhp")
    x, a = NOISE / 127.5 - 1, MAP[..., None] / 255
    expected = ((a + 1) / 2 * x + 1) * 127.5
    assert shown is not None and np.abs(np.asarray(shown) - expected).max() <= 0.51


def test_alpha_is_shown_as_opacity_over_gray_and_others_are_not() -> None:
    shown = blend(image(NOISE), image(np.zeros((2, 2))), "alpha")
    assert np.asarray(shown).tolist() == np.full_like(NOISE, 128).tolist()
    assert np.array_equal(np.asarray(blend(image(NOISE), image(np.full((2, 2), 255)), "alpha")), NOISE)
    assert blend(image(NOISE), image(MAP), "half_rhp") is None


def test_an_overlay_leaves_the_image_where_nobody_looks() -> None:
    corner = np.zeros((6, 8))
    corner[0, 0] = 255
    shown = np.asarray(overlay(image(NOISE), image(corner)), int)
    assert np.array_equal(shown[3:, 4:], NOISE[3:, 4:])
    assert np.abs(shown[0, 0] - (0.25 * NOISE[0, 0] + 0.75 * np.array([255, 106, 0]))).max() <= 0.51


def test_entropy_is_that_of_the_maps_shares() -> None:
    shares = MAP.astype(float).ravel() / MAP.sum(dtype=float)
    expected = -(shares[shares > 0] * np.log(shares[shares > 0])).sum() / np.log(48)
    assert spread(image(MAP)) == pytest.approx(expected)
    assert spread(image(np.full((4, 4), 9))) == pytest.approx(1)
    assert spread(image(np.eye(1, 16).reshape(4, 4))) == pytest.approx(0)
    assert spread(image(np.zeros((4, 4)))) == 1


def test_thumbnails_shrink_but_do_not_grow_and_maps_do(tmp_path: Path) -> None:
    image(NOISE).save(tmp_path / "x.png")
    assert load(tmp_path / "x.png", 4).size == (4, 3)
    assert load(tmp_path / "x.png", 400).size == (8, 6)
    assert load(MAP, 40).size == (40, 40)
    assert np.array_equal(np.asarray(load(tmp_path / "x.png", 400, crop=1)), NOISE[:, 4:])
