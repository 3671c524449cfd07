from __future__ import annotations

import numpy as np
import pytest

from guidegan_plugin.evaluation.region_iou import THRESHOLDS, best_iou, iou_by_threshold

RNG = np.random.default_rng(0)


def test_iou_at_every_threshold_equals_a_count_of_pixels() -> None:
    values, region = RNG.integers(256, size=(9, 11)) / 255, RNG.random((9, 11)) < 0.3
    expected = [((values >= t) & region).sum() / ((values >= t) | region).sum() for t in THRESHOLDS]
    assert iou_by_threshold(values, region) == pytest.approx(expected)


def test_a_map_of_the_region_scores_one_and_a_constant_map_the_region_s_share() -> None:
    region = np.eye(4, dtype=bool)
    assert best_iou(iou_by_threshold(region * 0.5, region)[None])[0] == 1
    for constant in (0.0, 0.3, 1.0):
        assert best_iou(iou_by_threshold(np.full((4, 4), constant), region)[None])[0] == 0.25


def test_the_threshold_is_one_for_all_images() -> None:
    region = np.array([[True, False]])
    # Each map alone is perfect at a threshold of its own, no threshold is perfect for both.
    maps = (np.array([[1.0, 0.8]]), np.array([[0.4, 0.2]]))
    curves = np.stack([iou_by_threshold(values, region) for values in maps])
    assert curves.max(axis=1).tolist() == [1, 1]
    iou, threshold = best_iou(curves)
    assert iou == 0.75
    assert 0.2 < threshold <= 0.4
