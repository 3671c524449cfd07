"""Rows: which source image each row of a batch shows, and how moves of a tensor carry rows along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Row:
    """One row of a batch that shows a source image.

    Attributes:
        visit: The visit in which the image was bound.
        index: The image's row in the bound tensor.
        flips: Axes along which the row is mirrored since: of ``"x"`` and ``"y"``, sorted.
    """

    visit: Any
    index: int
    flips: str = ""

    def mirrored(self, axis: str) -> Row:
        """The same image, mirrored along one more axis."""
        flips = self.flips.replace(axis, "") if axis in self.flips else "".join(sorted(self.flips + axis))
        return replace(self, flips=flips)


Rows = tuple[Row | None, ...]
"""A row of a tensor each; None where the row is no source image that anybody knows."""

Call = tuple[int, tuple[tuple[str, object], ...]]
"""How a generator was called: number of positional arguments, and names and plain values of those by keyword."""


@dataclass(frozen=True)
class Made:
    """What a generator made of source images in one call, or what became of that.

    Attributes:
        rows: Which image each row of the tensor is made of.
        path: Where among the generator's outputs the tensor stood.
        call: How the generator was called.
        keys: Of the visit's images in that call, one a bound row; none where nothing is to be stored.
        visit: The visit whose images these are.
    """

    rows: Rows
    path: str
    call: Call
    keys: tuple[str, ...] = ()
    visit: object = None

    def rows_of(self, visit: object) -> dict[int, int]:
        """Which rows of the tensor show images of a visit: places in the tensor to rows in the bound batch."""
        return {place: row.index for place, row in enumerate(self.rows) if row is not None and row.visit is visit}


@dataclass(frozen=True)
class SourceCall:
    """A call of a generator with a source image, for a ``key_of`` that tells what else the image's map depends on.

    Attributes:
        args: The generator's positional arguments.
        kwargs: The generator's arguments by keyword.
        row: Row of the image in them.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    row: int


KeyOf = Callable[[str, SourceCall], str]
"""From an image's key and a generator's call to the key under which the map of that call is remembered."""


def keys_in_call(
    key_of: KeyOf, visit: Any, rows: Rows, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str, ...]:
    """The keys of a visit's images in a call, which depend on what else the generator is called with.

    Args:
        key_of: Says how.
        visit: The visit.
        rows: Which image each row of the call's images shows.
        args: Of the call.
        kwargs: Of the call.
    """
    keys: list[str] = list(visit.keys)
    for place, row in enumerate(rows if keys else ()):
        if row is not None and row.visit is visit:
            keys[row.index] = key_of(visit.keys[row.index], SourceCall(args, kwargs, place))
    return tuple(keys)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of tensors joined one after another along axis 0."""
    return tuple(row for part in parts for row in part)


def laid_upon(parts: Sequence[Rows]) -> Rows | None:
    """Rows of tensors laid upon one another: joined along their channels, or mixed.

    A row is nobody's where two images of one visit meet in it. None where the numbers of rows differ, or none is given.
    """
    if len(set(map(len, parts))) != 1:
        return None
    return tuple(map(_of_one_image, zip(*parts, strict=True)))


def _of_one_image(rows: Sequence[Row | None]) -> Row | None:
    known = [row for row in rows if row is not None]
    alone = all(row.index == known[0].index for row in known if row.visit is known[0].visit)
    return known[0] if known and alone else None


def flipped(rows: Rows, axes: Sequence[int], dimensions: int) -> Rows:
    """Rows of a tensor ``(N, ..., H, W)`` mirrored along some of its axes."""
    axes = [axis % dimensions for axis in axes]
    if 0 in axes:
        rows = rows[::-1]
    for name, axis in (("x", dimensions - 1), ("y", dimensions - 2)):
        if axis in axes and axis > 0:
            rows = tuple(None if row is None else row.mirrored(name) for row in rows)
    return rows


def regrouped(rows: Rows, count: int) -> Rows | None:
    """Rows of a tensor viewed with another number of rows; None where rows of different images share one."""
    if count == len(rows):
        return rows
    if rows and count % len(rows) == 0:  # an axis of views an image was moved into the batch
        return tuple(row for row in rows for _ in range(count // len(rows)))
    if rows and count and len(rows) % count == 0:
        each = len(rows) // count
        groups = [rows[start : start + each] for start in range(0, len(rows), each)]
        return tuple(group[0] for group in groups) if all(len(set(group)) == 1 for group in groups) else None
    return None
