"""Which rows of a tensor are the generator's fresh fake, and of which source images?

The autograd graph of a tensor says how the tensor was made of the fake. Moves (cut, join, copy, cast, flip, view) keep
the fake's pixels; whatever else was computed upon the fake is named, so that a warning can say what stands in the way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from torch import Tensor
from torch.autograd.graph import Node

from guidegan_plugin.guidance.calls.graph_walk import AFFINE, ARITHMETIC, CODE, FAKE, NOTHING, Walk
from guidegan_plugin.guidance.calls.node_names import title
from guidegan_plugin.guidance.calls.rows import Made

_FAR = 64  # nodes that are looked at, at most, when nothing but a cause is searched for


def mark(fake: Tensor, made: Made, name: str = FAKE) -> bool:
    """Note on a fake's graph what the fake was made of; the note lives and dies with the graph.

    Args:
        fake: A tensor that a generator returned; without a graph nothing is noted.
        made: What it was made of.
        name: ``CODE`` for what the entry of a generator returned, and its exit makes a fake of.

    Returns:
        Whether there is a graph.
    """
    if fake.grad_fn is not None:
        # Every node carries a dictionary for its user; torch's stubs take the dictionary for a method.
        cast("dict[str, Any]", fake.grad_fn.metadata).setdefault(name, {})[fake.output_nr] = made
    return fake.grad_fn is not None


def fresh_fake(
    images: Tensor, affine: bool = False, visit: object = None, walks: list[Walk] | None = None
) -> Made | None:
    """The fresh fakes, with their gradient, that a tensor shows.

    Real images, pooled or detached fakes, reconstructions and gradient-penalty mixes show none.

    Args:
        images: What a discriminator is called with, ``(N, ...)``.
        affine: Whether the fake may have been computed upon pixel by pixel, padded or resized, too.
        visit: Whose fakes are preferred, where the tensor shows fakes of several.
        walks: Where the walk is kept for what else the same call is given, so that no node is looked at twice.

    Returns:
        What was noted of the fake, its rows those of the tensor; None where no row shows a fresh fake.
    """
    node = images.grad_fn if images.requires_grad else None
    if node is None:
        return None
    found: Made | None = cast("dict[str, Any]", node.metadata).get(FAKE, {}).get(images.output_nr)
    if found is not None:
        return found
    walks = [] if walks is None else walks
    if not walks:
        walks.append(Walk(AFFINE if affine else NOTHING))
    return _walked(images, walks[0], visit)


def fresh_code(tensor: Tensor) -> Made | None:
    """The code of source images that a tensor shows, noise added or not.

    Args:
        tensor: What the exit of a generator is called with, ``(N, ...)``.

    Returns:
        As :func:`fresh_fake`.
    """
    seen = tensor.requires_grad and tensor.grad_fn is not None
    return _walked(tensor, Walk(ARITHMETIC, CODE)) if seen else None


def _walked(tensor: Tensor, walk: Walk, visit: object = None) -> Made | None:
    rows = walk.rows_of(tensor)
    if rows is None or not any(rows):
        return None
    shown = {id(row.visit) for row in rows if row is not None}
    made = [one for one in walk.made if id(one.visit) in shown] or walk.made
    own = [one for one in made if one.visit is visit]
    return replace((own or made)[-1], rows=rows)


def awaits_backward(fake: Tensor) -> bool:
    """Whether ``backward()`` through a fake may still come: its graph was not freed.

    Args:
        fake: A tensor that a generator returned.
    """
    nodes: list[Node | None] = [fake.grad_fn]
    for node in nodes:
        saved = [name for name in dir(node) if name.startswith("_raw_saved_")]
        if saved:
            try:
                return getattr(node, saved[0].removeprefix("_raw")) is not None
            except RuntimeError:  # freed
                return False
        nodes += [] if node is None or len(nodes) > _FAR else [parent for parent, _ in node.next_functions]
    return False


def obstacle(images: Tensor, mark: str = FAKE, upon: frozenset[str] = NOTHING) -> str | None:
    """The operation that stands between a tensor and a fresh fake that the tensor was computed from.

    Args:
        images: The tensor.
        mark: ``CODE`` for the code of a generator in place of its fake.
        upon: Operations upon values that do not stand between.

    Returns:
        The operation's name, such as ``add`` or ``clamp``; None where no fresh fake is near.
    """
    walk = Walk(upon, mark)
    frontier: list[tuple[Node | None, str]] = [(images.grad_fn, "")] if images.requires_grad else []
    seen: set[Node] = set()
    while frontier and len(seen) < _FAR:
        node, first = frontier.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        if cast("dict[str, Any]", node.metadata).get(mark):
            if not first:  # moves alone, one of which does not tell its rows
                walk.rows_of(images)
            return first or ("cat" if walk.lost is None else title(walk.lost))
        first = first or ("" if walk.passes(node) else title(node))
        frontier.extend((parent, first) for parent, _ in node.next_functions)
    return None
