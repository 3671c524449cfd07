"""History of generated images for the discriminator."""

from __future__ import annotations

import random

import torch


class ImagePool:
    """Buffer of earlier fakes, so that a discriminator does not forget them (Shrivastava et al. 2017, section 2.3).

    Args:
        pool_size: How many images to keep. 0 switches the buffer off.
    """

    def __init__(self, pool_size: int) -> None:
        self.pool_size = pool_size
        self.images: list[torch.Tensor] = []

    def query(self, images: torch.Tensor) -> torch.Tensor:
        """Exchange about half of the images for older ones, once the buffer is full.

        Args:
            images: (N, C, H, W), fresh fakes.

        Returns:
            (N, C, H, W), detached; without a buffer, the very tensor that was given.
        """
        if self.pool_size == 0:
            return images
        return torch.cat([self._exchange(image) for image in images.detach().split(1)])

    def _exchange(self, image: torch.Tensor) -> torch.Tensor:
        if len(self.images) < self.pool_size:
            self.images.append(image.clone())
            return image
        if random.random() < 0.5:
            return image
        slot = random.randrange(self.pool_size)
        older, self.images[slot] = self.images[slot], image.clone()
        return older
