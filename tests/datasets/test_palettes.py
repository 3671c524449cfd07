from __future__ import annotations

import pytest

from guidegan_plugin.datasets.palettes import CAMVID, CITYSCAPES, Classes


@pytest.mark.parametrize(("classes", "count"), [(CITYSCAPES, 19), (CAMVID, 12)])
def test_names_colours_and_ids_are_unique(classes: Classes, count: int) -> None:
    ids = [number for _, _, numbers in classes for number in numbers]
    assert len({name for name, _, _ in classes}) == len({colour for _, colour, _ in classes}) == len(set(ids)) == count
