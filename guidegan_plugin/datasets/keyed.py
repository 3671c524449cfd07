"""Keys for data sets whose items carry none: which image an item is, by its index."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset

from guidegan_plugin.errors import DataError
from guidegan_plugin.utils.keys import ItemKey

FIELD = "guide_key"


class KeyedDataset(Dataset[Any]):
    """A map-style data set whose items say which one they are; see :func:`with_keys`.

    Args:
        dataset: Has a length and items by index.
        name: Put before each index.
    """

    def __init__(self, dataset: Any, name: str = "") -> None:
        self.dataset, self.name = dataset, name
        self._identity = uuid.uuid4().hex  # draws no random number of the host's

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        item = self.dataset[index]
        # Text, because a loader would collate numbers into a tensor and move it to the device.
        key = f"{self.name}/{index}" if self.name else ItemKey.of(index, self._identity)
        if isinstance(item, Mapping):
            return {**item, FIELD: key}
        return (*item, key) if isinstance(item, (tuple, list)) else (item, key)


def with_keys(dataset: Any, name: str = "") -> KeyedDataset:
    """Let a data set's items carry their index as key; wrap it before it is split or shuffled.

    Data sets that are joined (``ConcatDataset``) need a name each, or the joined data set is wrapped. An index says
    which image an item is only where item ``i`` is always of the same image: of an image that is drawn at random inside
    an item, such as the second image of an unpaired data set, nobody outside knows which it was. Such images need keys
    of their own in the item (paths, say), or ``attach(memory="batch")``.

    Args:
        dataset: A map-style data set.
        name: Tells its keys from those of other data sets: ``photos/7``.

    Returns:
        The same items: a dictionary with a further field ``guide_key``, a tuple or list as a tuple with the key
        appended, anything else as a pair of it and the key.

    Raises:
        DataError: If the data set has no items by index, or the name is no text.
    """
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"with_keys: expected a data set with items by index and a length, found {type(dataset).__name__}; change "
            "dataset=, or attach(memory='batch'), which needs no keys"
        )
    if not isinstance(name, str):
        raise DataError(f"with_keys: expected a name such as 'photos', found {name!r}; change name=")
    return KeyedDataset(dataset, name)
