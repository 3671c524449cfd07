"""What autograd's nodes are called, and how they keep what their operation was called with."""

from __future__ import annotations

from typing import Any

from torch.autograd.graph import Node


def operation(node: Node) -> str:
    """The name of the operation that made a node: ``Cat`` of ``CatBackward0``.

    Only torch's own operations are numbered: a function somebody wrote is not taken for one of the same name.
    """
    name = node.name().rpartition("::")[2]
    plain = name.rstrip("0123456789")
    return plain if plain == name else plain.removesuffix("Backward")


def title(node: Node) -> str:
    """The operation's name for people, as nearly as it was called: ``clamp``, or ``copy_`` for one in place."""
    if operation(node) != "CopySlices":
        return operation(node).removesuffix("Backwards").removesuffix("Backward").lower()
    written = getattr(node, "_wrapped_node", None)  # of newer releases
    return f"{'copy' if written is None else title(written)}_ into a part"


def signed(number: int) -> int:
    """A number that may have been negative: autograd keeps it without its sign."""
    return number - 2**64 if number >= 2**63 else number


def saved(node: Node, name: str) -> Any:
    """One of the arguments of the operation that made a node."""
    return getattr(node, f"_saved_{name}")


def axis_of(axis: int, axes: int) -> int:
    """Which of a number of axes an argument names."""
    return signed(axis) % axes if axes else 0
