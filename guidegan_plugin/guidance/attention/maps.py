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
    # NaN and infinity fail the comparisons too, so one condition serves all samples without a range.
    usable = (spread > 4 * torch.finfo(signal.dtype).eps * high.abs()) & (spread < torch.inf)
    return torch.where(usable, (cells - low) / spread, 1).clamp_(0, 1).view_as(signal)


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
