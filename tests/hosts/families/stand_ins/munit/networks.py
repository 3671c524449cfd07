"""Networks that are entered at ``encode`` and left at ``decode``, and a discriminator of several scales."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """A convolution behind what it is followed by, as far as registration goes."""

    def __init__(self, read: int, write: int, kernel: int, stride: int = 1, last: bool = False) -> None:
        super().__init__()
        self.activation = nn.Tanh() if last else nn.LeakyReLU(0.2, inplace=True)
        self.conv = nn.Conv2d(read, write, kernel, stride, (kernel - 1) // 2, padding_mode="reflect")

    def forward(self, images: Tensor) -> Tensor:
        return self.activation(self.conv(images))


class Encoder(nn.Module):
    def __init__(self, channels: int, width: int, *behind: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(Block(channels, width, 5), Block(width, 2 * width, 4, 2), *behind)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def decoder(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), Block(2 * width, width, 3), Block(width, channels, 5, last=True))


class AdaINGen(nn.Module):
    """MUNIT's: a content and a style; the image is read by two encoders."""

    def __init__(self, channels: int, params: dict[str, Any]) -> None:
        super().__init__()
        width, style = params["dim"], params["style_dim"]
        self.enc_style = Encoder(channels, width, nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * width, style, 1))
        self.enc_content = Encoder(channels, width)
        self.mlp = nn.Linear(style, 4 * width)
        self.dec = decoder(channels, width)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.enc_content(images), self.enc_style(images)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        factor, shift = self.mlp(style.flatten(1))[:, :, None, None].chunk(2, 1)
        return self.dec(F.instance_norm(content) * (1 + factor) + shift)


class VAEGen(nn.Module):
    """UNIT's: a code and its noise."""

    def __init__(self, channels: int, params: dict[str, Any]) -> None:
        super().__init__()
        self.enc = Encoder(channels, params["dim"])
        self.dec = decoder(channels, params["dim"])

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        code = self.enc(images)
        return code, code.new_empty(code.shape).normal_()

    def decode(self, code: Tensor) -> Tensor:
        return self.dec(code)


class MsImageDis(nn.Module):
    """Judges by methods that call ``self.forward``."""

    def __init__(self, channels: int, params: dict[str, Any]) -> None:
        super().__init__()
        widths = [params["dim"] * 2**number for number in range(params["n_layer"])]
        self.cnns = nn.ModuleList()
        for _ in range(params["num_scales"]):
            read = [channels, *widths]
            blocks = [Block(before, width, 4, 2) for before, width in zip(read, widths, strict=False)]
            self.cnns.append(nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 1)))

    def forward(self, images: Tensor) -> list[Tensor]:
        sizes = [F.avg_pool2d(images, 2**scale) if scale else images for scale in range(len(self.cnns))]
        return [judge(size) for judge, size in zip(self.cnns, sizes, strict=True)]

    def calc_dis_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        pairs = zip(self.forward(fake), self.forward(real), strict=True)
        return sum(one.square().mean() + (other - 1).square().mean() for one, other in pairs)

    def calc_gen_loss(self, fake: Tensor) -> Tensor:
        return sum((one - 1).square().mean() for one in self.forward(fake))
