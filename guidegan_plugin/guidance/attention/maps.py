"""Maps as tensors: borders, min-max normalisation, replicas and scales joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def replace_border(signal: Tensor, rings: int) -> Tensor:
    """Replace outer rings by their inner neighbour: zero padding makes them the brightest spot of an activation.

    Args:
        signal: ``(N, 1, h, w)``.
        rings: How many; a signal too small to have an inside is returned as it is.

    Returns:
        ``(N, 1, h, w)``.
    """
    if rings == 0 or min(signal.shape[-2:]) <= 2 * rings:
        return signal
    inside = signal[..., rings:-rings, rings:-rings]
    return F.pad(inside, (rings, rings, rings, rings), mode="replicate")


def min_max(signal: Tensor) -> Tensor:
    """Min-max normalisation, g of equation (2): each sample stretched to [0, 1] by itself.

    Args:
        signal: ``(N, 1, h, w)``, floating point.

    Returns:
        ``(N, 1, h, w)``, the dtype of ``signal``, finite, in [0, 1]; all ones (the placeholder) for a sample without
        range: constant up to rounding, or not finite.
    """
    cells = signal.flatten(1)
    low, high = cells.aminmax(dim=1, keepdim=True)
    spread = high - low
    # Beside the value itself, rounding swallows a sixteenth of a range of eight units in the last place, or fewer; and
    # infinity swallows everything. What has no range for other reasons (NaN) is NaN after the division.
    flat = torch.add(high, spread, alpha=1 / 16) == high
    # Between 0 and 1 by itself: subtraction and division round, but do not change an order.
    return ((cells - low) / spread).masked_fill_(flat, 1).nan_to_num_(nan=1).view_as(signal)


def in_batch_order(parts: Mapping[int | None, Tensor], devices: Sequence[int | None]) -> Tensor:
    """Join what the replicas of ``torch.nn.DataParallel`` recorded, on the first device.

    Args:
        parts: ``(n, ...)`` by device index, at least one.
        devices: Device indices in the order the batch was scattered over them.

    Returns:
        ``(N, ...)``; the one part itself where there is no other.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    ordered = [parts[device] for device in devices if device in parts] or list(parts.values())
    return torch.cat([part.to(ordered[0].device, non_blocking=True) for part in ordered])


def average(maps: Sequence[Tensor]) -> Tensor:
    """One map of several scales: each at the size of the largest, averaged, and stretched again.

    Args:
        maps: ``(N, 1, h, w)`` each, in [0, 1], at least one.

    Returns:
        ``(N, 1, h, w)`` of the largest, in [0, 1]; the one map itself where there is no other.
    """
    if not maps[1:]:
        return maps[0]
    size = max((one.shape[-2:] for one in maps), key=lambda size: size[0] * size[1])
    enlarged = [F.interpolate(one, size, mode="bilinear", align_corners=False) for one in maps]
    return min_max(torch.stack(enlarged).mean(0))
