from __future__ import annotations

import logging
import random
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, TensorDataset

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.datasets.keyed import with_keys
from guidegan_plugin.errors import DataError


def test_a_loader_yields_the_indices_of_shuffled_dictionaries_as_text() -> None:
    items = [{"A": torch.full((1,), float(index))} for index in range(5)]
    for batch in DataLoader(with_keys(items), batch_size=2, shuffle=True):
        assert batch["guide_key"] == [str(int(value)) for value in batch["A"]]
    assert "guide_key" not in items[0], "the data set's own items are left alone"


@pytest.mark.parametrize(
    ("dataset", "item"),
    [(TensorDataset(torch.arange(3)), (torch.tensor(1), "1")), ([[0], [1]], (1, "1")), ("ab", ("b", "1"))],
)
def test_tuples_lists_and_single_things_get_it_appended(dataset: Any, item: tuple[Any, str]) -> None:
    assert with_keys(dataset)[1] == item and len(with_keys(dataset)) == len(dataset)


def test_a_stream_is_refused_naming_the_way_out() -> None:
    with pytest.raises(DataError, match="memory='batch'"):
        with_keys(type("Stream", (IterableDataset,), {"__iter__": iter})())


def train(datasets: list[Any], workers: int = 0) -> float:
    """How many images are remembered after an epoch of two joined data sets."""
    generator = nn.Conv2d(3, 3, 3, padding=1)
    judge = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.Conv2d(4, 1, 4, 1, 1))
    with attach(generator, judge, GuideConfig(layer=1)) as guide:
        for batch in DataLoader(ConcatDataset(datasets), 2, num_workers=workers):
            guide.bind(batch["A"], batch["guide_key"])
            judge(generator(batch["A"])).mean().backward()
        return guide.statistics()["images"]


@pytest.fixture
def two() -> list[list[dict[str, Any]]]:
    return [[{"A": torch.rand(3, 16, 16)} for _ in range(3)] for _ in range(2)]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_joined_data_sets_without_names_share_keys_and_that_is_said_once(
    two: Any, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    with caplog.at_level(logging.WARNING):
        assert train([with_keys(one) for one in two], workers) == 3
    assert len(caplog.records) == 1 and "with_keys(dataset, name='photos')" in caplog.text


def test_joined_data_sets_with_names_or_wrapped_as_a_whole_keep_their_images_apart(
    two: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert train([with_keys(one, name) for one, name in zip(two, ("photos", "paintings"), strict=True)]) == 6
        assert train([with_keys(ConcatDataset(two))]) == 6
    assert with_keys(two[0], "photos")[2]["guide_key"] == "photos/2" and not caplog.records


def test_a_name_that_is_no_text_is_refused(two: Any) -> None:
    with pytest.raises(DataError, match="expected a name such as 'photos', found 3; change name="):
        with_keys(two[0], 3)  # type: ignore[arg-type]


def test_wrapping_draws_no_random_number(two: Any) -> None:
    before = torch.get_rng_state(), random.getstate()
    with_keys(two[0])[0]
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
