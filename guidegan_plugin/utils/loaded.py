"""What is known of an item of somebody's data set besides what it holds: which files were opened for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Theta = tuple[float, float, float, float, float, float]
"""``affine_grid``'s matrix, row by row, from an image's frame to that of the file it was read from."""


@dataclass(frozen=True)
class ShownFile:
    """What a tensor of an item shows.

    Attributes:
        path: Where the tensor stands in the item.
        file: Which of the opened files.
        theta: Where its pixels lie in the file's image.
    """

    path: str
    file: int
    theta: Theta


@dataclass(frozen=True)
class Opened:
    """Files that were opened for an item.

    Attributes:
        keys: Theirs, in their order.
        shown: What each of the item's tensors shows; None where that could not be observed.
    """

    keys: tuple[str, ...] = ()
    shown: tuple[ShownFile, ...] | None = None

    def showing(self, path: str) -> ShownFile | None:
        """What a tensor of the item shows, None where nobody knows."""
        return next((one for one in self.shown or () if one.path == path), None)


def leaves(value: Any, path: str = "") -> list[tuple[str, Tensor]]:
    """Tensors of an item or a batch, by their paths: keys and places with dots between; "" for a tensor alone."""
    if isinstance(value, Tensor):
        return [(path, value)]
    if not isinstance(value, (Mapping, list, tuple)):
        return []
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    before = f"{path}." if path else ""
    return [leaf for name, item in items for leaf in leaves(item, f"{before}{name}")]
