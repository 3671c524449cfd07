"""Keys that a data set made of the places of its items."""

from __future__ import annotations


class ItemKey(str):
    """A key that is only an item's place in a data set without a name: another data set may have the same keys.

    Attributes:
        dataset: Tells one data set from another; the same in all workers of a loader.
    """

    dataset: str = ""

    @classmethod
    def of(cls, place: int, dataset: str) -> ItemKey:
        """The key of an item."""
        key = cls(place)
        key.dataset = dataset
        return key
