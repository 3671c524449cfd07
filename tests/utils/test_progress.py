"""Long jobs pass every item through the track they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.datasets.synthetic.street import write_paired
from guidegan_plugin.evaluation.attention_statistics import attention_quality
from guidegan_plugin.reports.grid import GridColumn, write_grid
from guidegan_plugin.utils.progress import Item


class Count:
    """A track that counts what it passes on, and what was promised."""

    def __init__(self) -> None:
        self.passed: dict[str, int] = {}
        self.promised: dict[str, int | None] = {}

    def __call__(self, items: Iterable[Item], about: str, total: int | None = None) -> Iterator[Item]:
        self.promised[about] = total
        for item in items:
            self.passed[about] = self.passed.get(about, 0) + 1
            yield item


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three regions and a map of each."""
    for name in "abc":
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / f"{name}.png")
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / f"{name}_attention_A.png")
    return tmp_path


def test_attention_counts_maps(folder: Path) -> None:
    track = Count()
    attention_quality(folder, folder, track=track)
    assert track.passed == track.promised == {"maps": 3}


def test_a_grid_counts_rows(folder: Path) -> None:
    track = Count()
    write_grid(folder / "out" / "grid.png", [GridColumn("in", folder, "_attention_A")], size=16, track=track)
    assert track.passed == track.promised == {"rows": 3}


def test_shapes_count_images(tmp_path: Path) -> None:
    unpaired, paired = Count(), Count()
    write_unpaired(tmp_path / "unpaired", 32, count=2, test_count=1, workers=1, track=unpaired)
    write_paired(tmp_path / "paired", 32, count=2, test_count=1, workers=1, track=paired)
    assert unpaired.passed == unpaired.promised == {"Drawing": 6}
    assert paired.passed == paired.promised == {"Drawing": 3}
