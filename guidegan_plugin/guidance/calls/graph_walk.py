"""Walks back through the autograd graph of a tensor, and says which row of the tensor is which row of a fake.

The operations on the way say so: a join, a cut, a flip (``node_moves``). An operation that is not known ends the walk.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor
from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.node_cuts import cut_axis, kept_rows
from guidegan_plugin.guidance.calls.node_moves import MOVES, VIEWS, broadcast, join_axis
from guidegan_plugin.guidance.calls.node_names import operation
from guidegan_plugin.guidance.calls.node_shapes import Shapes
from guidegan_plugin.guidance.calls.rows import Made, Rows, laid_upon

FAKE, CODE = "guidegan_rows", "guidegan_code"
"""Under which name a node's dictionary says what of a fake, or of a code, the node's output is."""

# Autograd's names of operations that compute upon the pixels and leave each where it was, or nearly: noise, rescaling,
# colour, resize, padding.
_UPON = """
    Add Sub Rsub Mul Div Neg Clamp ClampMin ClampMax Lerp Addcmul Where MaskedFill
    ConstantPadNd ReflectionPad2D ReplicationPad2D AvgPool2D AdaptiveAvgPool2D GridSampler2D
    UpsampleNearest2D UpsampleNearestExact2D UpsampleBilinear2D UpsampleBilinear2DAa UpsampleBicubic2D
    UpsampleBicubic2DAa
"""
NOTHING: frozenset[str] = frozenset()
"""No operation upon values: moves alone."""
AFFINE = frozenset(_UPON.split())
"""Operations upon pixels that leave each where it was, or nearly."""
ARITHMETIC = frozenset(("Add", "Sub", "Rsub", "Mul", "Neg"))
"""Operations by which noise is added to a code."""

_FAR = 4000  # nodes that are looked at, at most: each row of a batch may have some of its own
_ANY = -1  # of axes


class Walk:
    """Walks from tensors back to the fakes they were made of; each node is looked at once.

    It holds the nodes, so it may live no longer than the call that it is made for.

    Args:
        upon: Operations upon values that are passed, beside moves.
        mark: What is looked for.

    Attributes:
        made: What was found, the newest last.
        lost: The operation, nearest to a fake, behind which nothing tells the rows any more.
        shifts: Whether pixels may have been moved one by one, each within its row.
    """

    def __init__(self, upon: frozenset[str] = NOTHING, mark: str = FAKE) -> None:
        self._upon, self._mark = upon, mark
        self.shifts = upon is AFFINE
        self.made: list[Made] = []
        self.lost: Node | None = None
        self.shapes = Shapes()
        self._found: dict[tuple[Node, int], Rows | None] = {}
        self._mixed: dict[tuple[Node | None, int], int] = {}  # along which axis something else was joined to the rows

    def rows_of(self, tensor: Tensor) -> Rows | None:
        """Rows of a tensor that has a graph; None where no fake is reached, or nothing tells its rows."""
        start = cast(Node, tensor.grad_fn), tensor.output_nr
        self.shapes.begin(*start, tuple(tensor.shape))
        # A stack in place of a recursion: a graph may be deeper than Python's.
        waiting: list[tuple[Node, int, bool]] = [(*start, False)]
        while waiting:
            node, output, entered = waiting.pop()
            if entered:
                self._found[node, output] = self._read(node, output)
            elif (node, output) not in self._found:
                self._found[node, output] = marked = self._marked(node, output)
                if marked is None and self.passes(node) and len(self._found) < _FAR:
                    axis = join_axis(self, node, output) if operation(node) == "Cat" else None
                    self.shapes.pass_on(node, output, operation(node), axis)
                    waiting.append((node, output, True))
                    inputs = [(*there, False) for there in reversed(node.next_functions) if there[0] is not None]
                    waiting += cast("list[tuple[Node, int, bool]]", inputs)
        return self._found[start]

    def passes(self, node: Node) -> bool:
        """Whether the walk goes on behind an operation."""
        name = operation(node)
        return name in MOVES or name in self._upon

    def came(self, node: Node, place: int = 0) -> Rows | None:
        """Rows of one of a node's inputs."""
        inputs = node.next_functions
        return self._found.get(cast("tuple[Node, int]", inputs[place])) if place < len(inputs) else None

    def length(self, node: Node | None, output: int) -> int | None:
        """Rows of a node's output, whatever they show; None where nothing tells."""
        shape = None if node is None else self.shapes.of(node, output)
        return None if shape is None else shape[0]

    def axes(self, node: Node, output: int) -> int:
        """Axes of a node's output; those of images where nothing tells."""
        return len(self.shapes.of(node, output) or "NCHW")

    def _marked(self, node: Node, output: int) -> Rows | None:
        found: Made | None = cast("dict[str, Any]", node.metadata).get(self._mark, {}).get(output)
        if found is None:
            return None
        self.made.append(found)
        return found.rows

    def _read(self, node: Node, output: int) -> Rows | None:
        came = [self.came(node, place) for place in range(len(node.next_functions))]
        if all(rows is None for rows in came):
            return None
        name = operation(node)
        if name in MOVES:
            rows = MOVES[name](self, node, output)
            if rows is not None and self._takes_apart(node, output, name, rows, came):
                rows = None
        else:
            reached = [broadcast(self, node, output, place) for place in range(len(came)) if came[place] is not None]
            rows = None if None in reached else laid_upon([one for one in reached if one is not None])
        if rows is None and self.lost is None:
            self.lost = node
        return rows

    def _takes_apart(self, node: Node, output: int, name: str, rows: Rows, came: list[Rows | None]) -> bool:
        """Whether an operation may separate a fake from what was joined to it along another axis than the rows."""
        along = next((self._mixed[there] for there in node.next_functions if there in self._mixed), None)
        if along is None and name in ("Cat", "Stack") and None in came:
            along = join_axis(self, node, output) or None
        elif along is not None and (cut := cut_axis(self, node)):
            if along in (cut, _ANY):
                shown, alone = kept_rows(self, node, output)
                if not any(shown) or any(one not in (None, rows) for one in shown):
                    return True
                if alone and len(shown) == 1:
                    return False
        elif along is not None and name in VIEWS and len(rows) > len(came[0] or rows):
            return True
        if along is not None:
            self._mixed[node, output] = _ANY if name in ("Permute", "Transpose") else along
        return False
