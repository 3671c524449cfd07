"""Which rows of a tensor are the generator's fresh fake, and of which source images?

The autograd graph of a tensor says how the tensor was made of the fake. Moves (cut, join, copy, cast, flip, view) keep
the fake's pixels; whatever else was computed upon the fake is named, so that a warning can say what stands in the way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from torch import Tensor
from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.graph_walk import MARK, Walk, moves, operation
from guidegan_plugin.guidance.calls.rows import Made

_FAR = 64  # nodes that are looked at, at most, when nothing but a cause is searched for


def mark(fake: Tensor, made: Made) -> None:
    """Note on a fake's graph what the fake was made of; the note lives and dies with the graph.

    Args:
        fake: A tensor that a generator returned; without a graph nothing is noted.
        made: What it was made of.
    """
    if fake.grad_fn is not None:
        # Every node carries a dictionary for its user; torch's stubs take the dictionary for a method.
        cast("dict[str, Any]", fake.grad_fn.metadata).setdefault(MARK, {})[fake.output_nr] = made


def fresh_fake(images: Tensor, affine: bool = False) -> Made | None:
    """The fresh fakes, with their gradient, that a tensor shows.

    Real images, pooled or detached fakes, reconstructions and gradient-penalty mixes show none.

    Args:
        images: What a discriminator is called with, ``(N, ...)``.
        affine: Whether the fake may have been computed upon pixel by pixel, padded or resized, too.

    Returns:
        What was noted of the fake, its rows those of the tensor; None where no row shows a fresh fake.
    """
    node = images.grad_fn if images.requires_grad else None
    if node is None:
        return None
    found: Made | None = cast("dict[str, Any]", node.metadata).get(MARK, {}).get(images.output_nr)
    if found is not None:
        return found
    walk = Walk(affine)
    rows = walk.rows(node, images.output_nr)
    if rows is None or walk.made is None or not any(rows):
        return None
    return replace(walk.made, rows=rows)


def obstacle(images: Tensor) -> str | None:
    """The operation that stands between a tensor and a fresh fake that the tensor was computed from.

    Returns:
        The operation's name, such as ``add`` or ``clamp``; None where no fresh fake is near.
    """
    frontier: list[tuple[Node | None, str]] = [(images.grad_fn, "")] if images.requires_grad else []
    seen: set[Node] = set()
    while frontier and len(seen) < _FAR:
        node, first = frontier.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        if cast("dict[str, Any]", node.metadata).get(MARK):
            return first or "cat"  # of tensors whose sizes nothing tells
        name = operation(node)
        known = moves(name)
        frontier.extend((parent, first or ("" if known else name.lower())) for parent, _ in node.next_functions)
    return None
