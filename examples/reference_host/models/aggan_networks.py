"""What AGGAN adds to CycleGAN's networks: where to translate, laying the translation over its input, and D's mask."""

from __future__ import annotations

import torch
from torch import nn

from .networks import NLayerDiscriminator, ResnetBlock


class AttentionNetwork(nn.Module):
    """Where to translate: A_S and A_T of Mejjati et al. 2018, section 3.1.

    Two strided convolutions, one residual block, two up-samplings (nearest) each with a convolution, and a sigmoid.

    Args:
        input_nc: Channels of the image.
        width: Of the first layer; the paper's is 32.
        norm_layer: Class of the norm layers.
    """

    def __init__(self, input_nc: int, width: int, norm_layer: type[nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(input_nc, width, 7, stride=2)]
        layers += [norm_layer(width), nn.ReLU(True)]
        layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), norm_layer(2 * width), nn.ReLU(True)]
        layers += [ResnetBlock(2 * width, norm_layer, use_dropout=False), nn.ReLU(True)]
        for outer in (2 * width, width):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(2 * width, outer, 3, padding=1)]
            layers += [norm_layer(outer), nn.ReLU(True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Sigmoid()]
        self.model = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the mask of (N, input_nc, H, W): (N, 1, H, W), in [0, 1]; H and W are multiples of 4."""
        return self.model(image)


class Overlay(nn.Module):
    """The translation where the mask is, and the image itself elsewhere (section 3.1, equation 1).

    It has no parameters. Each direction has one of its own, so that a call says which direction it is of.
    """

    def forward(self, translated: torch.Tensor, mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return s' = s_a * F(s) + (1 - s_a) * s.

        Args:
            translated: F(s), (N, C, H, W).
            mask: s_a = A(s), (N, 1, H, W), in [0, 1].
            image: s, (N, C, H, W).
        """
        return mask * translated + (1 - mask) * image


class ForegroundDiscriminator(NLayerDiscriminator):
    """A PatchGAN that is given the foreground alone once there is a mask (section 3.2); its keys are a PatchGAN's.

    Args:
        input_nc: Channels of the image.
        ndf: Width of the first layer.
        n_layers: Strided convolutions.
        norm_layer: Class of the norm layers.
        threshold: tau of section 3.2; a pixel is foreground where its mask is above.
    """

    def __init__(
        self, input_nc: int, ndf: int, n_layers: int, norm_layer: type[nn.Module], threshold: float = 0.1
    ) -> None:
        super().__init__(input_nc, ndf, n_layers, norm_layer)
        self.threshold = threshold

    def forward(self, image: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Judge (N, input_nc, H, W) patch by patch: (N, 1, h, w), logits.

        Args:
            image: Real, or as :class:`Overlay` made it.
            mask: Of the image the foreground is of, (N, 1, H, W); None judges the whole image.
        """
        return super().forward(image if mask is None else image * (mask > self.threshold))
