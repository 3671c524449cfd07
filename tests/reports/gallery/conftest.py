"""Small folders of results, as a host's test writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CYCLE = ("real_A", "attention_A", "fake_B", "rec_A", "real_B", "attention_B", "fake_A", "rec_B")


@pytest.fixture
def write_results() -> Callable[..., Path]:
    """Write ``<stem>_<visual>.png`` of every stem below ``test/images``; maps are brighter in a corner."""

    def write(test: Path, stems: list[str], visuals: tuple[str, ...] = CYCLE, size: int = 12) -> Path:
        (test / "images").mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(stems)).integers(0, 256, (size, size, 3), dtype=np.uint8)
        corner = np.zeros((size, size, 3), np.uint8)
        corner[: size // 2, : size // 2] = 255
        for stem in stems:
            for visual in visuals:
                pixels = corner if visual.startswith("attention") else noise
                Image.fromarray(pixels).save(test / "images" / f"{stem}_{visual}.png")
        return test

    return write
