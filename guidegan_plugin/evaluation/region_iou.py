"""IoU of attention maps with known regions, at the one threshold that is best for all images.

A map at least as bright as a threshold is taken for the region. The threshold is the data set's, not an image's: an
image's own best would flatter every map. A constant map scores the region's share of the area, as threshold 0 does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Map files have 8 bits.
THRESHOLDS = np.arange(256) / 255


def iou_by_threshold(values: npt.NDArray[np.floating], region: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Measure one map at every threshold.

    Args:
        values: The map, (H, W), floating, in [0, 1].
        region: True inside, (H, W), bool; not empty.

    Returns:
        IoU at each of ``THRESHOLDS``, (256,), in [0, 1].
    """
    # A pixel counts up to the last threshold it reaches; summing from the right counts all that reach one.
    last = np.searchsorted(THRESHOLDS, values.ravel(), side="right") - 1
    chosen = np.bincount(last, minlength=256)[::-1].cumsum()[::-1]
    inside = np.bincount(last[region.ravel()], minlength=256)[::-1].cumsum()[::-1]
    iou: npt.NDArray[np.float64] = inside / (np.count_nonzero(region) + chosen - inside)
    return iou


def best_iou(curves: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The best mean over images.

    Args:
        curves: :func:`iou_by_threshold` of each image, (N, 256).

    Returns:
        IoU and the threshold it is reached at, both in [0, 1]; of equally good thresholds the lowest.
    """
    means = curves.mean(axis=0)
    best = int(means.argmax())
    return float(means[best]), float(THRESHOLDS[best])
