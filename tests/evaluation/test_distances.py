"""KID and FID against ten lines of NumPy, by hand, and against torch-fidelity's own."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
import torch

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation import distances
from guidegan_plugin.evaluation.distances import Array, draw_subsets, frechet_distance, subset_kids

RNG = np.random.default_rng(0)
FAKE, REAL = RNG.normal(0.2, 1, (30, 16)), RNG.normal(0, 1.5, (30, 16))
COUNTS = {"fake": 30, "target": 30, "source": 12}


def unbiased_kid(x: Array, y: Array) -> float:
    n, m, width = len(x), len(y), x.shape[1]

    def kernel(a: Array, b: Array) -> Array:
        return (a @ b.T / width + 1) ** 3

    within_x, within_y = kernel(x, x), kernel(y, y)
    np.fill_diagonal(within_x, 0)
    np.fill_diagonal(within_y, 0)
    return within_x.sum() / (n * (n - 1)) + within_y.sum() / (m * (m - 1)) - 2 * kernel(x, y).mean()


def test_one_subset_of_all_images_is_the_unbiased_estimator() -> None:
    (kid,) = subset_kids(FAKE, REAL, draw_subsets({"fake": 30, "target": 30}, 1, 30, 0)["target"])
    assert kid == pytest.approx(unbiased_kid(FAKE, REAL), abs=1e-6)


def test_each_subset_is_the_unbiased_estimator_of_its_images() -> None:
    picks = draw_subsets(COUNTS, 5, 8, 3)["target"]
    expected = [unbiased_kid(FAKE[some], REAL[others]) for some, others in picks]
    assert subset_kids(FAKE, REAL, picks) == pytest.approx(expected, abs=1e-6)


def test_kid_of_two_images_by_hand() -> None:
    # k(0, 1) = 1, k(2, 3) = 343, and between them (1 + 1 + 27 + 64) / 4: 1 + 343 - 2 * 23.25
    picks = [(np.array([0, 1]), np.array([0, 1]))]
    assert subset_kids(np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]]), picks).tolist() == [297.5]


def test_the_targets_figures_are_torch_fidelitys() -> None:
    metric = pytest.importorskip("torch_fidelity.metric_kid")
    kids = subset_kids(FAKE, REAL, draw_subsets(COUNTS, 20, 10, 7)["target"])
    theirs = metric.kid_features_to_metric(
        torch.from_numpy(FAKE),
        torch.from_numpy(REAL),
        kid_subsets=20,
        kid_subset_size=10,
        rng_seed=7,
        verbose=False,
    )
    assert (kids.mean(), kids.std()) == pytest.approx(tuple(theirs.values()), rel=1e-9)


def test_the_fakes_subsets_are_the_same_against_target_and_source() -> None:
    picks = draw_subsets(COUNTS, 20, 10, 0)
    for (some, _), (the_same, _) in zip(picks["target"], picks["source"], strict=True):
        assert some.tolist() == the_same.tolist()


def test_the_targets_subsets_do_not_depend_on_a_source() -> None:
    with_source = draw_subsets(COUNTS, 4, 10, 0)["target"]
    without = draw_subsets({"fake": 30, "target": 30}, 4, 10, 0)["target"]
    assert [[part.tolist() for part in pair] for pair in with_source] == [
        [part.tolist() for part in pair] for pair in without
    ]


def test_fid_of_one_feature_by_hand() -> None:
    # means 1 and 3, variances 2 and 8: (3 - 1)^2 + (sqrt 8 - sqrt 2)^2
    assert frechet_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])) == pytest.approx(6)


def test_fid_is_torch_fidelitys() -> None:
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    statistics = [metric.fid_features_to_statistics(torch.from_numpy(each)) for each in (FAKE, REAL)]
    (theirs,) = metric.fid_statistics_to_metric(*statistics, verbose=False).values()
    assert frechet_distance(FAKE, REAL) == pytest.approx(theirs, rel=1e-9)


def test_fid_of_fewer_images_than_features_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frechet_distance(FAKE, REAL)
    assert not caplog.records
    assert frechet_distance(FAKE[:16], REAL) is not None
    assert caplog.messages == ["FID of 16 images with 16 features is biased upwards; go by KID"]


def test_fid_of_too_many_features_is_none_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(distances, "WIDEST", 15)
    assert frechet_distance(FAKE, REAL) is None
    assert caplog.messages == ["no FID: covariances of 16 features are out of reach (at most 15)"]


def test_without_torch_fidelity_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch_fidelity", "torch_fidelity.metric_kid"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r'torch_fidelity.*pip install "guidegan_plugin\[eval\]"'):
        subset_kids(FAKE, REAL, draw_subsets(COUNTS, 1, 10, 0)["target"])
