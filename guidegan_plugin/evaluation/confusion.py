"""Scores out of one confusion matrix: per-pixel accuracy, per-class accuracy, class IoU (equations 12 to 14)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassScores:
    """One class's scores.

    Attributes:
        accuracy: Share of its pixels that were recognised, in [0, 1]; None where the truth has none.
        iou: Recognised pixels over those the truth or the answer has, in [0, 1]; None where neither has any.
        pixels: How many the truth has.
    """

    accuracy: float | None
    iou: float | None
    pixels: int


def class_scores(matrix: Matrix) -> list[ClassScores]:
    """Score each class.

    Args:
        matrix: Pixels by truth (rows) and answer (columns), ``(C, C + 1)``; the last column is "none of them".

    Returns:
        C scores.
    """
    right = np.diagonal(matrix)
    true = matrix.sum(axis=1)
    either = true + matrix.sum(axis=0)[: len(matrix)] - right
    return [
        ClassScores(hits / there if there else None, hits / union if union else None, there)
        for hits, there, union in zip(right.tolist(), true.tolist(), either.tolist(), strict=True)
    ]


def per_pixel_accuracy(matrix: Matrix) -> float:
    """Share of all pixels that were recognised, in [0, 1] (equation 12); ``matrix`` as for :func:`class_scores`."""
    return int(np.diagonal(matrix).sum()) / int(matrix.sum())


def per_class_accuracy(matrix: Matrix) -> float:
    """Mean accuracy of the classes that occur in the truth, in [0, 1] (equation 13)."""
    return _mean([scores.accuracy for scores in class_scores(matrix)])


def class_iou(matrix: Matrix) -> float:
    """Mean IoU of the classes that occur in truth or answer, in [0, 1] (equation 14)."""
    return _mean([scores.iou for scores in class_scores(matrix)])


def _mean(values: list[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))
