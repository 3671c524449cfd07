"""What autograd's nodes say of the moves they stand for: which row of an output is which row of an input.

Each function is given the walk that has reached a node, the node, and which of the node's outputs is meant. It answers
with the output's rows, or None where the node does not tell them exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.node_names import axis_of, operation, saved, signed
from guidegan_plugin.guidance.calls.node_shapes import Shapes
from guidegan_plugin.guidance.calls.rows import Rows, flipped, joined, laid_upon, regrouped


class Reached(Protocol):
    """What a walk knows once it has come back to a node from the node's inputs."""

    shifts: bool
    shapes: Shapes

    def came(self, node: Node, place: int = 0) -> Rows | None:
        """Rows of one of a node's inputs."""

    def length(self, node: Node | None, output: int) -> int | None:
        """Rows of a node's output, whatever they show."""

    def axes(self, node: Node, output: int) -> int:
        """Axes of a node's output."""


Move = Callable[[Reached, Node, int], Rows | None]


def _alike(rows: Rows, length: int | None) -> Rows | None:
    """Rows of which each shows all of the input's: whose, is only sure where all show one image."""
    return rows[:1] * length if length is not None and len(set(rows)) == 1 else None


def broadcast(walk: Reached, node: Node, output: int, place: int = 0) -> Rows | None:
    """Rows of an operation upon values, of one of its inputs, which may have had fewer axes or a single row."""
    rows, length = walk.came(node, place), walk.length(node, output)
    if rows is None or length is None:
        return rows
    before = walk.shapes.of(*node.next_functions[place])
    if before is not None and len(before) < walk.axes(node, output):  # it was put behind a new first axis
        return _alike(rows, length)
    if len(rows) == length:
        return rows
    return rows * length if len(rows) == 1 and operation(node) != "ConstantPadNd" else None


def _first(walk: Reached, node: Node, output: int) -> Rows | None:
    return broadcast(walk, node, output)


def _view(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, length = walk.came(node), walk.length(node, output)
    return rows if rows is None or length is None else regrouped(rows, length)


def _copied(walk: Reached, node: Node, output: int) -> Rows | None:
    return broadcast(walk, node, output, 1)


def _transpose(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, axes = walk.came(node), walk.axes(node, output)
    # A transposed matrix does not say so.
    moved = (0, axes - 1) if operation(node) == "T" else [axis_of(saved(node, name), axes) for name in ("dim0", "dim1")]
    return rows if rows is None or 0 not in moved or len(set(moved)) == 1 else _alike(rows, walk.length(node, output))


def _permute(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, axes = walk.came(node), saved(node, "dims")
    return rows if rows is None or not axis_of(axes[0], len(axes)) else _alike(rows, walk.length(node, output))


def _as_strided(walk: Reached, node: Node, output: int) -> Rows | None:
    """A view that was made anew, since what it looks at was written to in place."""
    rows = walk.came(node)
    sizes, strides = saved(node, "size"), saved(node, "stride")
    start, before = int(saved(node, "storage_offset") or 0), walk.shapes.of(*node.next_functions[0])
    if rows is None or not rows or not sizes:
        return None
    each = prod(sizes[1:]) if before is None else prod(before) // len(rows)
    beyond = sum((size - 1) * stride for size, stride in zip(sizes[1:], strides[1:], strict=True))
    firsts = [start + row * strides[0] for row in range(sizes[0])]
    places = [first // each if first // each == (first + beyond) // each else -1 for first in firsts] if each else []
    return tuple(rows[place] for place in places) if all(0 <= place < len(rows) for place in places) else None


def _written(walk: Reached, node: Node, output: int) -> Rows | None:
    """A view of a tensor was written to in place, which is noted as one operation upon the whole tensor."""
    rows, whole, written = walk.came(node), walk.shapes.of(node, output), getattr(node, "_wrapped_node", None)
    if written is None or whole is None:  # older releases do not tell what was written where
        return rows if rows is not None and len(rows) == 1 else None
    part, copies = tuple(written._input_metadata[0].shape), operation(written) == "CopyBackwards"
    if not copies and operation(written) != "Fill":
        return rows  # computed upon
    if len(part) == len(whole) and part[0] == whole[0] and prod(part) < prod(whole):  # a part of each row
        given = walk.came(node, 1) if copies else None
        return laid_upon([one for one in (rows, given) if one is not None and len(one) == whole[0]])
    if prod(part) == prod(whole):
        given = walk.came(node, 1) if copies and len(part) == len(whole) else None
        return given if given is not None and len(given) == whole[0] else None
    return rows if prod(part) < prod(whole[1:]) else None


def join_axis(walk: Reached, node: Node, output: int) -> int:
    """Along which axis an operation joins its inputs."""
    return axis_of(saved(node, "dim"), walk.axes(node, output))


def _cat(walk: Reached, node: Node, output: int) -> Rows | None:
    inputs = node.next_functions
    found = [walk.came(node, place) for place in range(len(inputs))]
    if join_axis(walk, node, output) != 0:
        return laid_upon([rows for rows in found if rows is not None])
    sizes = [len(rows) if rows is not None else walk.length(*there) for rows, there in zip(found, inputs, strict=True)]
    if None in sizes:  # inputs without a graph tell nothing; those side by side have the rest of the rows together
        unknown, whole = [place for place, size in enumerate(sizes) if size is None], walk.length(node, output)
        rest = -1 if whole is None else whole - sum(filter(None, sizes))
        if rest < 0 or unknown[-1] - unknown[0] >= len(unknown):
            return None
        sizes[unknown[0]] = rest
    parts = [(None,) * (size or 0) if rows is None else rows for rows, size in zip(found, sizes, strict=True)]
    return joined(parts)


def _stack(walk: Reached, node: Node, output: int) -> Rows | None:
    found = [walk.came(node, place) for place in range(len(node.next_functions))]
    if join_axis(walk, node, output) != 0:
        return laid_upon([rows for rows in found if rows is not None])
    return tuple(rows[0] if rows is not None and len(set(rows)) == 1 else None for rows in found)


def _slice(walk: Reached, node: Node, output: int) -> Rows | None:
    rows = walk.came(node)
    if rows is None or axis_of(saved(node, "dim"), len(saved(node, "self_sym_sizes"))) != 0:
        return rows
    return rows[signed(saved(node, "start")) : signed(saved(node, "end")) : saved(node, "step")]


def _select(walk: Reached, node: Node, output: int) -> Rows | None:
    rows = walk.came(node)
    if rows is None or axis_of(saved(node, "dim"), len(saved(node, "self_sym_sizes"))) != 0:
        return rows
    # The row's own first axis (channels) is the batch's no more, but every part of the row shows its image.
    return (rows[signed(saved(node, "index"))],) * (walk.length(node, output) or 1)


def _unbind(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, axis, shape = walk.came(node), signed(saved(node, "dim")), walk.shapes.of(node, output)
    if rows is None or (shape is None and axis < 0):
        return None
    if axis_of(axis, len(shape or "CHW") + 1) != 0:
        return rows
    return (rows[output],) * (walk.length(node, output) or 1)


def _unsqueeze(walk: Reached, node: Node, output: int) -> Rows | None:
    rows = walk.came(node)
    return rows if rows is None or axis_of(saved(node, "dim"), walk.axes(node, output)) else _alike(rows, 1)


def _split(walk: Reached, node: Node, output: int) -> Rows | None:
    rows = walk.came(node)
    if rows is None or axis_of(saved(node, "dim"), len(saved(node, "self_sym_sizes"))) != 0:
        return rows
    return _dealt(walk, node, output)


def _dealt(walk: Reached, node: Node, output: int) -> Rows | None:
    """The part of the rows that one of several outputs has."""
    rows, lengths = walk.came(node), [walk.length(node, place) for place in range(output + 1)]
    if None in lengths:
        sizes = getattr(node, "_saved_split_sizes", None) or [getattr(node, "_saved_split_size", None)] * (output + 1)
        lengths = list(sizes[: output + 1])
    known = [length for length in lengths if length is not None]
    return None if rows is None or len(known) <= output else rows[sum(known[:-1]) : sum(known)]


def _gather(walk: Reached, node: Node, output: int) -> Rows | None:
    found = [walk.came(node, place) for place in range(len(node.next_functions))]
    parts = [rows for rows in found if rows is not None]
    return joined(parts) if len(parts) == len(found) else None


def _flip(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, axes = walk.came(node), walk.axes(node, output)
    return None if rows is None else flipped(rows, [axis_of(axis, axes) for axis in saved(node, "dims")], axes)


def _repeat(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, times, sizes = walk.came(node), saved(node, "repeats"), saved(node, "self_sym_sizes")
    if rows is None or len(times) == len(sizes):
        return None if rows is None else rows * times[0]
    return _alike(rows, walk.length(node, output))


def _index_select(walk: Reached, node: Node, output: int) -> Rows | None:
    rows = walk.came(node)
    if rows is None or axis_of(saved(node, "dim"), walk.axes(node, output)) != 0:
        return rows
    return _chosen(rows, saved(node, "index"))


def _index(walk: Reached, node: Node, output: int) -> Rows | None:
    rows, indices = walk.came(node), saved(node, "indices")
    if rows is None or not indices:
        return rows
    if indices[0] is None and sum(index is not None for index in indices) == 1:  # channels, lines or columns
        return rows
    if len(indices) > 1 and walk.shifts:  # DiffAugment shifts an image by a row, a line and a column for each pixel
        rows = _chosen(rows, indices[0].flatten(1)[:, 0]) if _is_told(indices[0]) and indices[0].dim() > 1 else rows
        return rows if rows is not None and len(rows) == walk.length(node, output) else None
    return _chosen(rows, indices[0]) if len(indices) == 1 else None


def _is_told(index: Any) -> bool:
    """Whether an index can be looked at: on another device one would have to wait for it."""
    return index is not None and index.device.type == "cpu" and index.numel() > 0


def _chosen(rows: Rows, index: Any) -> Rows | None:
    if not _is_told(index) or index.dim() != 1:
        return None
    places: Sequence[int] = (index.nonzero().flatten() if str(index.dtype) == "torch.bool" else index).tolist()
    return tuple(rows[place] for place in places)


# Those that keep every row in its place, and the pass-through nodes of backward hooks on modules and of
# DistributedDataParallel.
_KEEPING = "Alias Clone ToCopy Contiguous Expand BackwardHookFunctionBackward _DDPSinkBackward"
VIEWS = frozenset(("View", "UnsafeView", "ReshapeAlias", "Squeeze"))
"""Operations that look at their input in another shape."""

MOVES: dict[str, Move] = {
    **dict.fromkeys(_KEEPING.split(), _first),
    **dict.fromkeys(VIEWS, _view),
    "Copy": _copied,
    "CopyBackwards": _copied,
    "CopySlices": _written,
    "AsStrided": _as_strided,
    "Transpose": _transpose,
    "T": _transpose,
    "Permute": _permute,
    "Cat": _cat,
    "Stack": _stack,
    "Slice": _slice,
    "Select": _select,
    "Unbind": _unbind,
    "Unsqueeze": _unsqueeze,
    "Split": _split,
    "SplitWithSizes": _split,
    "ScatterBackward": _dealt,  # of DataParallel
    "GatherBackward": _gather,
    "Flip": _flip,
    "Repeat": _repeat,
    "Index": _index,
    "IndexSelect": _index_select,
}
"""What is known of each operation that only moves values, by autograd's name of it."""
