from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.encoding import Encoding, side_by_side
from guidegan_plugin.errors import ConfigError, DataError


def test_png_loses_nothing_and_jpg_keeps_the_colour_resolution() -> None:
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    image = Image.fromarray(pixels)
    with Image.open(io.BytesIO(Encoding().encode(image))) as png:
        assert (np.asarray(png) == pixels).all()
    with Image.open(io.BytesIO(Encoding("jpg", 95).encode(image))) as jpg:
        # With halved colour resolution red and black columns would mix.
        assert np.abs(np.asarray(jpg).astype(int) - pixels).max() < 30


@pytest.mark.parametrize(
    ("name", "quality", "flag"), [("gif", 95, "--format"), ("jpg", 0, "--quality"), ("jpg", 101, "--quality")]
)
def test_unknown_formats_and_qualities_are_refused(name: str, quality: int, flag: str) -> None:
    with pytest.raises(ConfigError, match=flag):
        Encoding(name, quality)


def test_an_image_of_16_bits_is_refused_rather_than_clipped_to_white() -> None:
    deep = Image.fromarray(np.full((4, 4), 9000, dtype=np.uint16))
    with pytest.raises(DataError, match="8 bits a channel is expected, this one has mode I;16"):
        side_by_side(deep, Image.new("RGB", (4, 4)))
