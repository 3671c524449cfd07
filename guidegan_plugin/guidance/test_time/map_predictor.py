"""MapPredictor: a small convolutional network from a source image to where the discriminator would look (ours)."""

from __future__ import annotations

import itertools
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError

_WIDTHS = (16, 32, 48)  # channels behind each halving; the last are the trunk's
_DILATIONS = (1, 2, 4)
_LARGEST = 128  # pixels along a side that a visit's image is looked at with, about


class MapPredictor(nn.Module):
    """Predicts a map from an image alone, so that test time needs no discriminator.

    The image is looked at in a few pixels for each cell of its map. Brightness and contrast of the whole image do not
    matter, so its range does not, either: [-1, 1] and [0, 1] give the same map.

    Args:
        channels: Of the images, 1 or 3.
        cells: Height and width of the maps it learns from.
        seen: Height and width of the images that such a map belongs to, in pixels. An image of another size has cells
            of the same number of pixels. None where that is not known: then every image has as many cells.
    """

    def __init__(self, channels: int, cells: tuple[int, int], seen: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.channels, self.cells, self.seen = channels, cells, seen
        halvings = next((n for n in (3, 2) if max(cells) << n <= _LARGEST), 1)
        self.pixels = 1 << halvings
        widths = (channels, *_WIDTHS[-halvings:])
        self.stem = nn.Sequential(
            *(_Block(before, after, 4, stride=2, padding=1) for before, after in itertools.pairwise(widths))
        )
        self.trunk = nn.ModuleList(
            _Block(widths[-1], widths[-1], 3, padding=dilation, dilation=dilation) for dilation in _DILATIONS
        )
        self.head = nn.Conv2d(widths[-1], 1, 1)

    def cells_of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the map of an image."""
        if self.seen is None:
            return self.cells
        (high, wide), (tall, broad) = self.cells, self.seen
        return _rounded(height * high, tall), _rounded(width * wide, broad)

    def forward(self, images: Tensor) -> Tensor:
        """Predict maps.

        Args:
            images: ``(N, C, H, W)``, of the predictor's channels; gray images are also taken as colour ones.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1], without gradient to the images.

        Raises:
            ConfigError: If the images have other channels.
        """
        high, wide = self.cells_of(images.shape[-2], images.shape[-1])
        return self.maps(self.look(images, (high * self.pixels, wide * self.pixels)))

    def look(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Images as the layers take them: ``(N, C, *size)``, float32, detached.

        Raises:
            ConfigError: As :meth:`forward`.
        """
        images = images.detach().float()
        if images.shape[1] == 1 < self.channels:
            images = images.expand(-1, self.channels, -1, -1)
        if images.shape[1] != self.channels:
            raise ConfigError(
                f"test_map=predict: the predictor was made for images of {self.channels} channels, found "
                f"{images.shape[1]}; change test_map (--guide_test_map mean)"
            )
        return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)

    def maps(self, looked_at: Tensor) -> Tensor:
        """Maps ``(N, 1, h, w)`` of images ``(N, C, pixels * h, pixels * w)`` as :meth:`look` returns them."""
        mean = looked_at.mean((1, 2, 3), keepdim=True)
        spread = (looked_at - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        # A module that was exported or moved as a whole may have its weights in another precision.
        features = self.stem(((looked_at - mean) / spread.clamp(min=1e-6)).to(self.head.weight.dtype))
        for block in self.trunk:
            features = features + block(features)
        return torch.sigmoid(self.head(features)).float()


class _Block(nn.Sequential):
    """A convolution, a norm over groups of one sample's channels, and an activation."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> None:
        convolution = nn.Conv2d(before, after, kernel, stride, padding, dilation, bias=False)
        super().__init__(convolution, nn.GroupNorm(4, after), nn.LeakyReLU(0.2))


def _rounded(number: int, by: int) -> int:
    """A quotient as a whole number from 1, in whole numbers all the way, which an exported graph computes, too."""
    if isinstance(number, Tensor):  # while torch.jit traces
        number = int(number)
    return cast("int", torch.sym_max((2 * number + by) // (2 * by), 1))
