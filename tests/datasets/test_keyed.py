from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

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
