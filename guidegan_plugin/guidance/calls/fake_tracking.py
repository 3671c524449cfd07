"""Is this tensor the generator's fresh output, perhaps cut, joined or copied, but not computed upon?"""

from __future__ import annotations

import weakref
from typing import cast

from torch import Tensor

from guidegan_plugin.guidance.calls.binding import Visit

# Autograd's names of operations that only move values: joins, cuts, views, copies and casts, flips, the scatter and
# gather of torch.nn.DataParallel, and the pass-through of DistributedDataParallel.
_MOVES = """
    Alias AsStrided Cat Clone Copy Expand Flip Gather Narrow Permute ReshapeAlias Scatter Select Slice Split
    SplitWithSizes Squeeze Stack ToCopy Transpose Unbind UnsafeView Unsqueeze View _DDPSink
"""
_STRUCTURAL = frozenset(f"{move}Backward{version}" for move in _MOVES.split() for version in ("", "0", "1"))
_MARK = "guidegan_visit"


def mark(fake: Tensor, visit: Visit) -> None:
    """Note on a visit, weakly, what was made in it, and on a fake's graph the visit; that note dies with the graph.

    Args:
        fake: What a generator returned; without a graph only the visit knows it.
        visit: The visit.
    """
    visit.fakes = [*(known for known in visit.fakes if known() is not None), weakref.ref(fake)]
    if fake.grad_fn is not None:
        # Every node carries a dictionary for its user; torch's stubs take it for a method.
        cast("dict[str, Visit]", fake.grad_fn.metadata)[_MARK] = visit


def origin(images: Tensor) -> Visit | None:
    """The visit whose fresh fake a tensor holds, with its gradient.

    The tensor is a marked fake, or its graph reaches one through structural operations only. Real images, pooled or
    detached fakes, reconstructions and gradient-penalty mixes have no origin.

    Args:
        images: What a discriminator is called with.

    Returns:
        The visit, None for anything but the judgement of a fresh fake in the generator's update.
    """
    frontier = [images.grad_fn]
    while frontier:
        node = frontier.pop()
        if node is None:
            continue
        visit = cast("dict[str, Visit]", node.metadata).get(_MARK)
        if visit is not None:
            return visit
        if node.name() in _STRUCTURAL:
            frontier.extend(parent for parent, _ in node.next_functions)
    return None
