"""Shapes of what autograd's nodes made.

From torch 2.5 on a node tells. In torch 2.4 a walk notes shapes on its way down, from the tensor that the walk begins
at: an operation kept its input's sizes, or left the first axis and the number of axes as they were.
"""

from __future__ import annotations

from typing import Any

from torch.autograd.graph import Node

Shape = tuple[int, ...]

_OTHER_AXES = frozenset(("AsStrided", "Transpose", "T", "Permute", "Squeeze", "Stack", "Unbind", "Unsqueeze"))
"""Operations whose inputs have other axes than their outputs, and whose nodes do not keep the inputs' sizes."""


class Shapes:
    """The shapes of nodes' outputs, as far as they are known."""

    def __init__(self) -> None:
        self._noted: dict[tuple[Node, int], Shape] = {}

    def of(self, node: Node | None, output: int) -> Shape | None:
        """The shape of one of a node's outputs, ``(1,)`` of a number.

        None where nothing tells; in torch 2.4 only the first size and the number of axes are sure to be right.
        """
        if node is None:
            return None
        told: Any = getattr(node, "_input_metadata", None)
        shape = self._noted.get((node, output)) if told is None else tuple(told[output].shape)
        return shape if shape is None else shape or (1,)

    def begin(self, node: Node, output: int, shape: Shape) -> None:
        """Note the shape of the tensor that a walk begins at."""
        self._note(node, output, shape)

    def pass_on(self, node: Node, output: int, operation: str, axis: int | None = None) -> None:
        """Note the shapes of a node's inputs.

        Args:
            node: Of an operation.
            output: Which of its outputs the walk came by.
            operation: The operation's name.
            axis: Along which axis the operation joins its inputs, if it does.
        """
        if hasattr(node, "_input_metadata") or operation in _OTHER_AXES or axis == 0:
            return
        shape: Shape | None = getattr(node, "_saved_self_sym_sizes", None) or self._noted.get((node, output))
        for parent, place in node.next_functions:
            if parent is not None and shape is not None:
                self._note(parent, place, tuple(shape))

    def _note(self, node: Node, output: int, shape: Shape) -> None:
        if not hasattr(node, "_input_metadata"):
            self._noted[node, output] = shape
