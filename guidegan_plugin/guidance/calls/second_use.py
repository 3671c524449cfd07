"""A generator that uses its input again behind its first convolution, as an image: what a wider input breaks."""

from __future__ import annotations

import re

from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.call_site import original_class


def refuse_second_use(error: RuntimeError, pair: str, network: nn.Module, images: Tensor, blended: Tensor) -> None:
    """Say why a network failed that was given a widened input: it met a tensor as wide as the images were.

    Raises:
        ConfigError: If that is why; nothing otherwise.
    """
    before, width = images.shape[1], blended.shape[1]
    sizes = re.findall(r"size of tensor \w \((\d+)\)", str(error))
    if before != width and sorted(map(int, sizes)) == sorted((before, width)):
        raise ConfigError(
            f"pair {pair}: {original_class(network).__name__} uses its input again behind its first convolution, as an "
            f"image of {before} channels, and cannot take one of {width} ({error}); change concat (--guide_concat rhp)"
        ) from error
