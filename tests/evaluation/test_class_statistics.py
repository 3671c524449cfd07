from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from guidegan_plugin.datasets.palettes import CAMVID
from guidegan_plugin.evaluation.class_statistics import class_frequencies, write_frequencies


def test_presence_counts_images_and_frequency_averages_shares_of_pixels(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    for name, ids in (("a", [[0, 0, 0, 3]]), ("b", [[3, 3, 11, 11], [3, 3, 11, 11]])):
        Image.fromarray(np.array(ids, dtype=np.uint8)).save(tmp_path / "truth" / f"{name}.png")
    images, found = class_frequencies(tmp_path / "truth", CAMVID)
    by_name = {row.name: (row.images, row.presence, row.frequency) for row in found}
    assert images == 2
    assert by_name["sky"] == (1, 0.5, 0.375)
    assert by_name["road"] == (2, 1.0, 0.375)
    assert by_name["car"] == (0, 0.0, 0.0)

    write_frequencies(found, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "classes.csv").read_text().splitlines()))
    assert rows[3] == {"class": "road", "images": "2", "presence": "1.0", "pixel_frequency": "0.375"}
    with Image.open(tmp_path / "out" / "classes.png") as figure:
        assert figure.format == "PNG"
