"""Baking: the map of ones that test time blends in, folded into the first convolution, which then needs no map."""

from __future__ import annotations

import torch
from torch import Tensor


def bake_rhp(weight: Tensor) -> Tensor:
    """Fold ``x' = (1 + 1) * x``, equation (4): ``conv(2x; W) = conv(x; 2W)``, exact in floating point.

    The bias stays, and so does any padding that commutes with a factor: zeros, reflection, replication.

    Args:
        weight: ``(out, in, kh, kw)``, of the convolution that reads the blended images.

    Returns:
        ``(out, in, kh, kw)``, for the convolution that reads the images.
    """
    return 2 * weight


def bake_alpha(weight: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Fold ``x' = [x, 1]``, equation (5): ``conv([x, 1]; W) = conv(x; W') + c``.

    Only where the alpha channel is one in the padding, too: behind reflection or replication, not with zeros.

    Args:
        weight: ``(out, in + 1, kh, kw)``, of the convolution that reads the blended images.
        channels: Of the images; one channel was repeated to RGB.

    Returns:
        W', ``(out, channels, kh, kw)``, for the convolution that reads the images; and c, ``(out,)``, float64, what
        belongs into its bias. Equal to a rounding.
    """
    images, alpha = weight[:, :-1], weight[:, -1]
    if channels == 1:
        images = images.double().sum(1, keepdim=True).to(weight.dtype)
    return images.clone(), alpha.sum((1, 2), dtype=torch.float64)
