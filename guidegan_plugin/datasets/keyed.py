"""Keys for data sets whose items carry none: which image an item is, by its index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset

from guidegan_plugin.errors import DataError

FIELD = "guide_key"


class KeyedDataset(Dataset[Any]):
    """A map-style data set whose items say which one they are; see :func:`with_keys`.

    Args:
        dataset: Has a length and items by index.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        item = self.dataset[index]
        key = str(index)  # text, because a loader would collate numbers into a tensor and move it to the device
        if isinstance(item, Mapping):
            return {**item, FIELD: key}
        return (*item, key) if isinstance(item, (tuple, list)) else (item, key)


def with_keys(dataset: Any) -> KeyedDataset:
    """Let a data set's items carry their index as key; wrap it before it is split or shuffled.

    Args:
        dataset: A map-style data set.

    Returns:
        The same items: a dictionary with a further field ``guide_key``, a tuple or list as a tuple with the key
        appended, anything else as a pair of it and the key.

    Raises:
        DataError: If the data set has no items by index.
    """
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"with_keys: expected a data set with items by index and a length, found {type(dataset).__name__}; change "
            "dataset=, or attach(memory='batch'), which needs no keys"
        )
    return KeyedDataset(dataset)
