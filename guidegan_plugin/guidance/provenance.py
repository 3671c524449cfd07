"""Is this tensor the generator's fresh output, perhaps cut, joined or copied, but not computed upon?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

# Autograd's names of operations that only move values: cat, slicing, select, views, copies, device moves, flips,
# split/chunk/unbind, and the scatter and gather of torch.nn.DataParallel.
_MOVES = """
    Alias AsStrided Cat Clone Copy Expand Flip Gather Narrow Permute ReshapeAlias Scatter Select Slice Split
    SplitWithSizes Squeeze Stack ToCopy Transpose Unbind UnsafeView Unsqueeze View
"""
_STRUCTURAL = frozenset(f"{move}Backward{version}" for move in _MOVES.split() for version in ("", "0", "1"))


def is_made_of(images: Tensor, fakes: Sequence[Tensor]) -> bool:
    """Whether a tensor holds one of the fakes and still carries its gradient.

    It is the fake itself, or its graph reaches the fake through structural operations only. Real images, pooled or
    detached fakes, reconstructions and gradient-penalty mixes are not.

    Args:
        images: What a discriminator is called with.
        fakes: What the generator returned; all of them are left as they are.

    Returns:
        True for the judgement of the fresh fake in the generator's update.
    """
    if not images.requires_grad or images.grad_fn is None:
        return False
    origins = [fake.grad_fn for fake in fakes if fake.grad_fn is not None]
    frontier = [images.grad_fn]
    while frontier:
        node = frontier.pop()
        if any(node is origin for origin in origins):
            return True
        if node.name() in _STRUCTURAL:
            frontier.extend(parent for parent, _ in node.next_functions if parent is not None)
    return False
