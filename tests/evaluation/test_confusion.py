from __future__ import annotations

import numpy as np
import pytest

from guidegan_plugin.evaluation.confusion import class_iou, class_scores, per_class_accuracy, per_pixel_accuracy

# Three classes; the first is partly answered with "none of them", the last occurs in answers alone.
MATRIX = np.array([[6, 2, 0, 2], [0, 9, 1, 0], [0, 0, 0, 0]])


def test_scores_equal_those_counted_by_hand() -> None:
    assert per_pixel_accuracy(MATRIX) == 15 / 20
    assert per_class_accuracy(MATRIX) == pytest.approx((6 / 10 + 9 / 10) / 2)
    assert class_iou(MATRIX) == pytest.approx((6 / 10 + 9 / 12 + 0 / 1) / 3)


def test_a_class_that_never_occurs_has_no_score_and_counts_nowhere() -> None:
    matrix = np.array([[3, 0, 0], [0, 0, 0]])
    assert [(one.accuracy, one.iou, one.pixels) for one in class_scores(matrix)] == [(1.0, 1.0, 3), (None, None, 0)]
    assert (per_class_accuracy(matrix), class_iou(matrix)) == (1.0, 1.0)
