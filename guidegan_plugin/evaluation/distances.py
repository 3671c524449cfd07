"""KID and FID of features, by torch-fidelity's estimators.

KID is the unbiased estimate of the squared maximum mean discrepancy under the kernel `k(x, y) = (x.y / F + 1)^3`,
averaged over random subsets. It is unbiased whatever the number of images, and so may be slightly negative.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from guidegan_plugin.evaluation.optional_packages import optional
from guidegan_plugin.utils.progress import progress

WIDEST = 8192  # features, for FID: a covariance of them takes 512 MiB, its eigenvalues minutes

Array = npt.NDArray[np.float64]
Picks = list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]

_log = logging.getLogger(__name__)


def draw_subsets(counts: Mapping[str, int], subsets: int, size: int, seed: int) -> dict[str, Picks]:
    """Draw subsets without replacement.

    Args:
        counts: how many images ``fake``, ``target`` and, if given, ``source`` has.
        subsets: how many to draw.
        size: images of each.
        seed: of the draw.

    Returns:
        For ``target``, and for ``source`` if it is given, pairs of indices into the fakes and into it. The fakes' are
        the same in both, and the target's do not depend on whether a source is given.
    """
    # The order of torch-fidelity's own draw, whose figures for the target these are therefore; the source's is apart.
    draw, apart = np.random.RandomState(seed), np.random.RandomState([seed, 1])
    picks: dict[str, Picks] = {name: [] for name in counts if name != "fake"}
    for _ in range(subsets):
        fakes = draw.choice(counts["fake"], size, replace=False)
        picks["target"].append((fakes, draw.choice(counts["target"], size, replace=False)))
        if "source" in counts:
            picks["source"].append((fakes, apart.choice(counts["source"], size, replace=False)))
    return picks


def subset_kids(fake: Array, real: Array, picks: Picks) -> Array:
    """KID of each subset, unbiased, under the polynomial kernel of degree 3.

    Args:
        fake: features (N, F), float64.
        real: features (M, F), float64.
        picks: pairs of equally many indices into both.

    Returns:
        (subsets,), float64; not yet times 100.

    Raises:
        ConfigError: If torch-fidelity is not installed.
    """
    kernel_mmd = optional("torch_fidelity.metric_kid").kernel_mmd
    return np.array([kernel_mmd(fake[some], real[others]) for some, others in progress(picks, "KID")])


def frechet_distance(fake: Array, real: Array) -> float | None:
    """FID of features, as torch-fidelity computes it; warns where there are fewer images than features.

    Args:
        fake: features (N, F), float64.
        real: features (M, F), float64.

    Returns:
        The distance; None, with a warning, where it cannot be computed.

    Raises:
        ConfigError: If torch-fidelity is not installed.
    """
    metric = optional("torch_fidelity.metric_fid")
    fewest, width = min(len(fake), len(real)), fake.shape[1]
    if width > WIDEST:
        _log.warning("no FID: covariances of %d features are out of reach (at most %d)", width, WIDEST)
        return None
    if fewest <= width:
        _log.warning("FID of %d images with %d features is biased upwards; go by KID", fewest, width)
    try:
        statistics = [metric.fid_features_to_statistics(torch.from_numpy(each)) for each in (fake, real)]
        for each in statistics:
            each["sigma"] = np.atleast_2d(each["sigma"])  # a single feature's is a number
        distance = float(metric.fid_statistics_to_metric(*statistics, verbose=False)[metric.KEY_METRIC_FID])
    except np.linalg.LinAlgError as error:
        _log.warning("no FID: %s", error)
        return None
    return distance
