"""Which files an item of somebody's data set opened: its key, where a loader tells none.

The items are read by the data set itself, in a loader's workers or not; what they opened travels beside them through
the loader. Batches, the data set and its random numbers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data.dataloader import default_collate

from guidegan_plugin.datasets.image_moves import files_shown
from guidegan_plugin.datasets.recording import Recording
from guidegan_plugin.utils.loaded import Opened, leaves


class Recorded(NamedTuple):
    """An item, or a batch, and the files that were opened for it.

    Attributes:
        content: As the data set, or the collate function, returned it.
        files: Of the item; of a batch, those of each item.
    """

    content: Any
    files: tuple[Opened, ...]


class _Items:
    """A map-style data set whose items come with the files they opened; anything else is the data set's own.

    Args:
        dataset: The data set.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: Any) -> Recorded:
        with Recording().lasting() as seen:
            item = self._dataset[index]
        images = [(path, image) for path, image in leaves(item) if image.dim() == 3]
        return Recorded(item, (Opened(tuple(seen.keys), files_shown(images, seen.moves)),))

    def __getattr__(self, name: str) -> Any:
        if name == "__getitems__":
            # A data set that reads a whole batch at once.
            whole = getattr(self._dataset, name)
            return lambda indices: _items_of(whole, indices)
        if name.startswith("__") or name == "_dataset":  # while it is copied or unpickled
            raise AttributeError(name)
        return getattr(self._dataset, name)


def _items_of(whole: Callable[[Sequence[Any]], Sequence[Any]], indices: Sequence[Any]) -> list[Recorded]:
    """Items read at once; each has its share of the files where all opened as many."""
    with Recording().lasting() as seen:
        items = whole(indices)
    each, rest = divmod(len(seen.keys), max(len(items), 1))
    shares = [() if rest else tuple(seen.keys[each * place : each * (place + 1)]) for place in range(len(items))]
    return [Recorded(item, (Opened(share),)) for item, share in zip(items, shares, strict=True)]


class _Collate:
    """A loader's collate function, beside which the files travel."""

    def __init__(self, own: Callable[[Any], Any]) -> None:
        self._own = own

    def __call__(self, items: Any) -> Recorded:
        if isinstance(items, Recorded):  # a loader without batches of its own
            return Recorded(self._own(items.content), items.files)
        return Recorded(self._own([item.content for item in items]), tuple(item.files[0] for item in items))


def iterate(loader: DataLoader[Any], iterator_of: Callable[[DataLoader[Any]], Iterator[Any]]) -> Iterator[Any]:
    """A loader's iterator whose batches are :class:`Recorded`; the loader itself is as before.

    Args:
        loader: Any loader. One whose items come in a stream tells no files, so its batches stay as they are.
        iterator_of: ``DataLoader.__iter__``.
    """
    if isinstance(loader.dataset, IterableDataset) or not hasattr(loader.dataset, "__getitem__"):
        return iterator_of(loader)
    kept = {name: vars(loader)[name] for name in ("dataset", "collate_fn")}
    # The iterator takes both when it is made. A loader refuses to have its data set assigned, so past its __setattr__.
    vars(loader).update(dataset=_Items(loader.dataset), collate_fn=_Collate(loader.collate_fn or default_collate))
    try:
        return iterator_of(loader)
    finally:
        vars(loader).update(kept)
