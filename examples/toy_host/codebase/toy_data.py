"""Images made on the spot: a bright square on a dark ground, gray and in colour."""

import torch
from torch import Tensor


def images(count: int = 6, size: int = 32) -> tuple[list[str], Tensor, Tensor]:
    """Names, gray images and coloured ones, (N, 3, H, W) in [-1, 1]."""
    gray, names = torch.full((count, 3, size, size), -0.8), [f"{number}.png" for number in range(count)]
    for number, image in enumerate(gray):
        image[:, 4 + number : 16 + number, 8:20] = 0.6
    return names, gray, gray * torch.tensor([1.0, 0.5, -0.5])[:, None, None]
