"""What a cut keeps, along another axis than the rows, of tensors that were joined along it: an image beside another."""

from __future__ import annotations

from itertools import accumulate

from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.node_moves import Reached
from guidegan_plugin.guidance.calls.node_names import axis_of, operation, saved, signed
from guidegan_plugin.guidance.calls.rows import Rows

_CUTS = frozenset(("Slice", "Select", "Unbind", "Split", "SplitWithSizes", "IndexSelect"))


def cut_axis(walk: Reached, node: Node) -> int | None:
    """Along which axis an operation keeps only a part of its input; None where it keeps all."""
    name, (parent, place) = operation(node), node.next_functions[0]
    if name == "Index":
        return next((axis for axis, index in enumerate(saved(node, "indices")) if index is not None), None)
    axes = len((None if parent is None else walk.shapes.of(parent, place)) or "NCHW")
    return axis_of(saved(node, "dim"), axes) if name in _CUTS else None


def _join_before(node: Node) -> Node | None:
    """The join that a cut comes directly behind."""
    before = node.next_functions[0][0]
    # Older releases also note the whole slice of the rows in `joined[:, 3:]`.
    while before is not None and operation(before) == "Slice" and before.next_functions[0][0] is not None:
        before = before.next_functions[0][0]
    return before if before is not None and operation(before) == "Cat" else None


def kept_rows(walk: Reached, node: Node, output: int) -> tuple[list[Rows | None], bool]:
    """What the inputs of a join show of which a cut directly behind the join keeps something.

    Returns:
        Rows of each input of which something is kept for sure, and whether these are all of which something is.
    """
    join = _join_before(node)
    if join is None or operation(node) not in ("Slice", "Split", "SplitWithSizes"):
        return [], False
    whole = saved(node, "self_sym_sizes")
    axis, inputs = axis_of(saved(node, "dim"), len(whole)), join.next_functions
    if axis_of(saved(join, "dim"), len(whole)) != axis:
        return [], False
    kept = _kept(node, output, whole[axis])
    told = [walk.shapes.of(*there) if hasattr(join, "_input_metadata") else None for there in inputs]
    sizes = [None if shape is None else shape[axis] for shape in told]
    unknown = [place for place, size in enumerate(sizes) if size is None]
    if unknown and unknown[-1] - unknown[0] < len(unknown) < len(sizes):  # side by side, they have the rest together
        rest = whole[axis] - sum(size or 0 for size in sizes)
        sizes = [rest if place == unknown[0] else size or 0 for place, size in enumerate(sizes)]
    if None in sizes:  # the outermost inputs are known all the same
        ends = ((0, 0), (whole[axis] - 1, len(inputs) - 1))
        return [walk.came(join, place) for index, place in ends if index in kept], False
    begins = accumulate((size or 0 for size in sizes), initial=0)
    parts = [range(begin, begin + (size or 0)) for begin, size in zip(begins, sizes, strict=False)]
    return [walk.came(join, place) for place, part in enumerate(parts) if any(index in part for index in kept)], True


def _kept(node: Node, output: int, whole: int) -> range:
    """Which of a number of indices a cut keeps."""
    if operation(node) == "Slice":
        return range(whole)[signed(saved(node, "start")) : signed(saved(node, "end")) : saved(node, "step")]
    sizes = getattr(node, "_saved_split_sizes", None) or [saved(node, "split_size")] * (output + 1)
    start = sum(sizes[:output])
    return range(whole)[start : start + sizes[output]]
