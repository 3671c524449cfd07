"""Facts about a memory and its maps."""

from __future__ import annotations

import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.store import AttentionStore


def entropy(maps: Tensor) -> Tensor:
    """How spread out attention is: the entropy of a map's cells as shares of its sum, over that of a constant map.

    Args:
        maps: ``(N, 1, h, w)``, floating point in [0, 1].

    Returns:
        ``(N,)``, float32 in [0, 1]: 0 where one cell has all attention, 1 for a constant map.
    """
    cells = maps.flatten(1).float()
    shares = cells / cells.sum(1, keepdim=True)
    # A map of zeros is constant, too; of one cell there is nothing to tell.
    whole = cells.new_full((), max(cells.shape[1], 2)).log()  # a tensor from a number would wait for a device
    found = -torch.special.xlogy(shares, shares).sum(1) / whole
    return torch.where((cells == cells[:, :1]).all(1), 1.0, found)


def is_placeholder(maps: Tensor) -> Tensor:
    """Which maps are all ones, because nothing could be made of what the discriminator computed.

    Args:
        maps: ``(N, 1, h, w)``, floating point in [0, 1].

    Returns:
        ``(N,)``, bool.
    """
    return maps.flatten(1).amin(1) >= 1


def statistics(store: AttentionStore) -> dict[str, float]:
    """Facts about a memory; waits for the device.

    Returns:
        ``images`` remembered, their ``visits`` and the ``bytes`` of their maps; ``epoch_visits`` since the last epoch
        ended and ``never_visited``, the share of these that were an image's first (which G was given a placeholder
        for); ``age``, how many batches ago a map was written (1: in the last one), and ``entropy`` of a map
        (:func:`entropy`), both averaged over images; ``collapsed``, the share of maps that are only placeholders. Of
        a memory on the disk, maps of at most 16384 images are looked at for the last two.
    """
    found, counts, looked_at = [], store.counts, 0
    for maps in store.chunks():
        looked_at += len(maps)
        found.append(torch.stack([entropy(maps).sum(), is_placeholder(maps).sum()]))
    sums = torch.stack([one.cpu() for one in found]).sum(0).tolist() if found else [0.0, 0.0]
    return {
        "images": len(store),
        "visits": counts.visits,
        "bytes": store.nbytes,
        "epoch_visits": counts.epoch_visits,
        "never_visited": counts.epoch_first_visits / max(counts.epoch_visits, 1),
        "age": counts.age,
        "entropy": sums[0] / max(looked_at, 1),
        "collapsed": sums[1] / max(looked_at, 1),
    }
