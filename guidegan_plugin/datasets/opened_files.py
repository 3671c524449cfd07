"""Which files an item of somebody's data set opened: its key, where a loader tells none.

The items are read by the data set itself, in a loader's workers or not; what they opened travels beside them through
the loader. Batches, the data set and its random numbers stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data.dataloader import default_collate

Files = tuple[str, ...]
"""Keys of the files an item opened, in their order."""

# Functions that open an image, by their modules. A module that nobody imported opens nothing.
_OPENERS = {
    "PIL.Image": ("open",),
    "cv2": ("imread",),
    "imageio": ("imread",),
    "imageio.v2": ("imread",),
    "imageio.v3": ("imread",),
    "numpy": ("load",),
    "skimage.io": ("imread",),
    "tifffile": ("imread",),
    "torchvision.io": ("read_image", "decode_image"),
}


class Recorded(NamedTuple):
    """An item, or a batch, and the files that were opened for it.

    Attributes:
        content: As the data set, or the collate function, returned it.
        files: Of the item; of a batch, those of each item.
    """

    content: Any
    files: tuple[Any, ...]


def key_of_file(path: str) -> str:
    """The key of a file: its path without what leads above or to the root, so that a key stays below any root."""
    pure = PurePath(path)
    return "/".join(part for part in pure.parts if part not in ("..", pure.anchor))


@contextmanager
def recording() -> Iterator[list[str]]:
    """While it lasts, the keys of images that are opened are noted, each file once."""
    opened: list[str] = []
    replaced: list[tuple[Any, str, Callable[..., Any]]] = []

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = next(iter((*args, *kwargs.values())), None)
            path = getattr(found, "name", found) if hasattr(found, "read") else found
            if isinstance(path, (str, PurePath)) and (key := key_of_file(str(path))) not in opened:
                opened.append(key)
            return function(*args, **kwargs)

        return call

    for name, functions in _OPENERS.items():
        module = sys.modules.get(name)
        for function in functions if module is not None else ():
            if callable(own := getattr(module, function, None)):
                replaced.append((module, function, own))
                setattr(module, function, noting(own))
    try:
        yield opened
    finally:
        for module, function, own in replaced:
            setattr(module, function, own)


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
        with recording() as files:
            item = self._dataset[index]
        return Recorded(item, tuple(files))

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
    with recording() as files:
        items = whole(indices)
    each, rest = divmod(len(files), max(len(items), 1))
    shares = [tuple(files[each * place : each * (place + 1)]) if not rest else () for place in range(len(items))]
    return [Recorded(item, share) for item, share in zip(items, shares, strict=True)]


class _Collate:
    """A loader's collate function, beside which the files travel."""

    def __init__(self, own: Callable[[Any], Any]) -> None:
        self._own = own

    def __call__(self, items: Any) -> Recorded:
        if isinstance(items, Recorded):  # a loader without batches of its own
            return Recorded(self._own(items.content), (items.files,))
        return Recorded(self._own([item.content for item in items]), tuple(item.files for item in items))


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
