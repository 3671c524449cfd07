"""Walks back through the autograd graph of a tensor, and says which row of the tensor is which row of a fake.

The operations on the way say so: a join, a cut, a flip. An operation that is not known here ends the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from torch import Tensor
from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.node_shapes import Shapes
from guidegan_plugin.guidance.calls.rows import Made, Rows, flipped, joined, regrouped

FAKE, CODE = "guidegan_rows", "guidegan_code"
"""Under which name a node's dictionary says what of a fake, or of a code, the node's output is."""

# Autograd's names of operations, without "Backward" and a version.
# Those that keep every row in its place: copies, casts, views, the pass-through nodes of backward hooks on modules and
# of DistributedDataParallel.
_COPY = """
    Alias AsStrided Clone Copy CopyBackwards CopySlices ToCopy Contiguous Transpose T Permute Squeeze
    BackwardHookFunction _DDPSink
"""
# Those that compute upon the pixels and leave each where it was, or nearly: noise, rescaling, colour, resize, padding.
_UPON = """
    Add Sub Rsub Mul Div Neg Clamp ClampMin ClampMax Lerp Addcmul Where MaskedFill
    ConstantPadNd ReflectionPad2D ReplicationPad2D AvgPool2D AdaptiveAvgPool2D GridSampler2D
    UpsampleNearest2D UpsampleNearestExact2D UpsampleBilinear2D UpsampleBilinear2DAa UpsampleBicubic2D
    UpsampleBicubic2DAa
"""
_IMAGES = ("N", "C", "H", "W")
_KEEPING = frozenset(_COPY.split())
NOTHING: frozenset[str] = frozenset()
"""No operation upon values: moves alone."""
AFFINE = frozenset(_UPON.split())
"""Operations upon pixels that leave each where it was, or nearly."""
ARITHMETIC = frozenset(("Add", "Sub", "Rsub", "Mul", "Neg"))
"""Operations by which noise is added to a code."""


def moves(name: str) -> bool:
    """Whether an operation only moves values."""
    return name in _KEEPING or name in _ROWS


def operation(node: Node) -> str:
    """The name of the operation that made a node: ``Cat`` of ``CatBackward0``."""
    return node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


class Walk:
    """One walk from a tensor back to the fakes it was made of.

    Args:
        upon: Operations upon values that are passed, beside moves.
        mark: What is looked for.
        visit: Whose fakes are looked for, where those of several pairs were joined.

    Attributes:
        made: What was found last, of that visit if there is something of it.
        shifts: Whether pixels may have been moved one by one, each within its row.
    """

    def __init__(self, upon: frozenset[str] = NOTHING, mark: str = FAKE, visit: object = None) -> None:
        self._upon, self._mark, self._visit = upon, mark, visit
        self.shifts = upon is AFFINE
        self.made: Made | None = None
        self.shapes = Shapes()

    def rows_of(self, tensor: Tensor) -> Rows | None:
        """Rows of a tensor that has a graph; None where no fake is reached."""
        node = cast(Node, tensor.grad_fn)
        self.shapes.begin(node, tensor.output_nr, tuple(tensor.shape))
        return self.rows(node, tensor.output_nr)

    def rows(self, node: Node | None, output: int) -> Rows | None:
        """Rows of a node's output; None where no fake is reached."""
        if node is None:
            return None
        found = cast("dict[str, Any]", node.metadata).get(self._mark, {}).get(output)
        if found is not None:
            if self.made is None or self.made.visit is not self._visit or found.visit is self._visit:
                self.made = found
            return cast(Made, found).rows
        name, parents = operation(node), node.next_functions
        if name != "Cat":  # whose axis counts
            self.shapes.pass_on(node, output, name)
        if name in _ROWS:
            return _ROWS[name](self, node, output)
        if name in _KEEPING and parents:
            return self.kept(node, output, self.rows(*parents[0]))
        if name in self._upon:
            reached = [self.kept(node, output, self.rows(*parent)) for parent in parents]
            return next((rows for rows in reached if rows is not None), None)
        return None

    def kept(self, node: Node, output: int, rows: Rows | None) -> Rows | None:
        """Rows of an operation that leaves them in their order, whatever their number."""
        length = self.length(node, output)
        return rows if rows is None or length is None else regrouped(rows, length)

    def length(self, node: Node, output: int) -> int | None:
        """Rows of a node's output, whatever they show; None where nothing tells."""
        shape = self.shapes.of(node, output)
        return None if shape is None else shape[0]

    def axes(self, node: Node, output: int) -> int:
        """Axes of a node's output; those of images where nothing tells."""
        return len(self.shapes.of(node, output) or _IMAGES)

    def parts(self, node: Node) -> Iterator[Rows | None]:
        """Rows of each of a node's inputs."""
        for parent in node.next_functions:
            yield self.rows(*parent)


def _attribute(node: Node, name: str) -> Any:
    return getattr(node, f"_saved_{name}")


def _cat(walk: Walk, node: Node, output: int) -> Rows | None:
    whole, axis = walk.length(node, output), _axis(_attribute(node, "dim"), walk.axes(node, output))
    walk.shapes.pass_on(node, output, "Cat", axis)
    found = list(walk.parts(node))
    if all(rows is None for rows in found):
        return None
    if axis != 0:
        count = next(len(rows) for rows in found if rows is not None)
        return joined([rows if rows is not None else (None,) * count for rows in found], axis)
    sizes = [_length(walk, parent, rows) for parent, rows in zip(node.next_functions, found, strict=True)]
    unknown = sizes.count(None)
    if unknown and (whole is None or (whole - sum(filter(None, sizes))) % unknown):
        return None
    rest = (whole - sum(filter(None, sizes))) // unknown if unknown and whole is not None else 0
    parts = [
        rows if rows is not None else (None,) * (rest if size is None else size)
        for rows, size in zip(found, sizes, strict=True)
    ]
    return joined(parts, 0)


def _length(walk: Walk, parent: tuple[Node | None, int], rows: Rows | None) -> int | None:
    """Rows of an input of a join; None where the input has no graph, or nothing says."""
    if rows is not None:
        return len(rows)
    return None if parent[0] is None else walk.length(parent[0], parent[1])


def _stack(walk: Walk, node: Node, output: int) -> Rows | None:
    found = list(walk.parts(node))
    if _axis(_attribute(node, "dim"), walk.axes(node, output)) != 0 or not any(found):
        return None
    return tuple(rows[0] if rows is not None and len(set(rows)) == 1 else None for rows in found)


def _slice(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    if rows is None or _attribute(node, "dim") not in (0, -len(_attribute(node, "self_sym_sizes"))):
        return rows
    return rows[_attribute(node, "start") : _attribute(node, "end") : _attribute(node, "step")]


def _select(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    if rows is None or _axis(_attribute(node, "dim"), len(_attribute(node, "self_sym_sizes"))) != 0:
        return rows
    index = _attribute(node, "index")
    # The row's own first axis (channels) is the batch's no more, but every part of the row shows its image.
    return (rows[index],) * (walk.length(node, output) or 1)


def _unbind(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    if rows is None or _attribute(node, "dim") not in (0,):
        return rows
    return (rows[output],) * (walk.length(node, output) or 1)


def _unsqueeze(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    if rows is None or _axis(_attribute(node, "dim"), walk.axes(node, output)) != 0:
        return rows
    return rows[:1] if len(set(rows)) == 1 else None


def _split(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    if rows is None or _axis(_attribute(node, "dim"), len(_attribute(node, "self_sym_sizes"))) != 0:
        return rows
    return _dealt(walk, rows, node, output)


def _scatter(walk: Walk, node: Node, output: int) -> Rows | None:
    return None if (rows := walk.rows(*node.next_functions[0])) is None else _dealt(walk, rows, node, output)


def _dealt(walk: Walk, rows: Rows, node: Node, output: int) -> Rows | None:
    """The part of the rows that one of several outputs has."""
    lengths = [walk.length(node, place) for place in range(output + 1)]
    if None in lengths:
        sizes = getattr(node, "_saved_split_sizes", None) or [getattr(node, "_saved_split_size", None)] * (output + 1)
        lengths = list(sizes[: output + 1])
    if None in lengths:
        return None
    start = sum(cast("list[int]", lengths[:output]))
    return rows[start : start + cast(int, lengths[output])]


def _gather(walk: Walk, node: Node, output: int) -> Rows | None:
    found = list(walk.parts(node))
    return None if any(rows is None for rows in found) else joined([rows for rows in found if rows is not None], 0)


def _flip(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    return None if rows is None else flipped(rows, _attribute(node, "dims"), walk.axes(node, output))


def _view(walk: Walk, node: Node, output: int) -> Rows | None:
    return walk.kept(node, output, walk.rows(*node.next_functions[0]))


def _repeat(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    length = walk.length(node, output)
    return None if rows is None or length is None else rows * (length // len(rows))


def _index(walk: Walk, node: Node, output: int) -> Rows | None:
    rows = walk.rows(*node.next_functions[0])
    indices = _attribute(node, "indices") if operation(node) == "Index" else (_attribute(node, "index"),)
    first = indices[0] if indices else None
    if rows is not None and len(indices) > 1 and walk.shifts:
        # DiffAugment shifts an image by a row, a line and a column for each pixel.
        return walk.kept(node, output, rows)
    if operation(node) == "IndexSelect" and _attribute(node, "dim") != 0:
        return rows
    # An index on another device would have to be waited for.
    if rows is None or first is None or first.device.type != "cpu" or first.dim() != 1 or len(indices) != 1:
        return None
    chosen = (
        first.nonzero().flatten()
        if first.dtype.is_floating_point is False and str(first.dtype) == "torch.bool"
        else first
    )
    return tuple(rows[place] for place in chosen.tolist())


def _axis(axis: int, dimensions: int) -> int:
    # Autograd keeps a negative axis as an unsigned number.
    axis = axis - 2**64 if axis >= 2**63 else axis
    return axis % dimensions if dimensions else 0


_ROWS: dict[str, Callable[[Walk, Node, int], Rows | None]] = {
    "Cat": _cat,
    "Stack": _stack,
    "Slice": _slice,
    "Narrow": _slice,
    "Select": _select,
    "Unbind": _unbind,
    "Unsqueeze": _unsqueeze,
    "Split": _split,
    "SplitWithSizes": _split,
    "Chunk": _split,
    "Scatter": _scatter,
    "Gather": _gather,
    "Flip": _flip,
    "View": _view,
    "UnsafeView": _view,
    "ReshapeAlias": _view,
    "Expand": _view,
    "Repeat": _repeat,
    "Index": _index,
    "IndexSelect": _index,
}
