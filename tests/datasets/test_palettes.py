from __future__ import annotations

import pytest

from guidegan_plugin.datasets.palettes import (
    CAMVID,
    CITYSCAPES,
    CITYSCAPES_TRAIN_IDS,
    LabelClass,
    Palette,
)
from guidegan_plugin.errors import ConfigError

ROAD, CAR = LabelClass("road", (128, 64, 128), (0,)), LabelClass("car", (0, 0, 142), (1,))


def test_cityscapes_maps_label_ids_to_train_ids() -> None:
    # From the data set's own table of labels: id, trainId of what is trained on.
    expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12}
    expected |= {26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    assert {number: label for label, entry in enumerate(CITYSCAPES.classes) for number in entry.ids} == expected
    assert {number for entry in CITYSCAPES.entries for number in entry.ids} == set(range(34))


def test_both_cityscapes_palettes_share_names_and_colours() -> None:
    one, other = ([(entry.name, entry.colour) for entry in p.classes] for p in (CITYSCAPES, CITYSCAPES_TRAIN_IDS))
    assert one == other
    assert [entry.ids for entry in CITYSCAPES_TRAIN_IDS.classes] == [(number,) for number in range(19)]


def test_camvid_counts_its_classes_and_leaves_void_out() -> None:
    assert [entry.ids for entry in CAMVID.entries] == [(number,) for number in range(12)]
    assert CAMVID.names[9:] == ["pedestrian", "bicyclist"]
    assert (CAMVID.void_label, CAMVID.label(11)) == (11, 11)


@pytest.mark.parametrize(
    ("classes", "void", "complaint"),
    [
        ((), (), "no class"),
        ((ROAD, LabelClass("road", (1, 1, 1), (1,))), (), "the name road twice"),
        ((ROAD, LabelClass("way", (128, 64, 128), (1,))), (), "the colour .* twice"),
        ((ROAD,), (LabelClass("ignore", None, (0,)),), "the id 0 twice"),
        ((ROAD, LabelClass("car", None, (1,))), (), "car has no colour"),
        ((ROAD, LabelClass("car", (0, 0, 256), (1,))), (), r"outside 0\.\.255"),
    ],
)
def test_a_palette_that_is_ambiguous_or_impossible_is_refused(
    classes: tuple[LabelClass, ...], void: tuple[LabelClass, ...], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=rf"mine.*{complaint}.*--palette"):
        Palette("mine", classes, void)
