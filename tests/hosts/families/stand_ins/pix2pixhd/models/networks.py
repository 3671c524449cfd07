"""A generator of one or more resolutions, an encoder of features, and a discriminator of several scales."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def block(read: int, write: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(read, write, kernel, stride, 0 if kernel == 7 else 1)
    return [layer, nn.InstanceNorm2d(write), nn.ReLU(True)]


class GlobalGenerator(nn.Module):
    def __init__(self, read: int, write: int, width: int) -> None:
        super().__init__()
        inner = [*block(width, 2 * width, stride=2), nn.Upsample(scale_factor=2), *block(2 * width, width)]
        last = [nn.ReflectionPad2d(3), nn.Conv2d(width, write, 7), nn.Tanh()]
        self.model = nn.Sequential(nn.ReflectionPad2d(3), *block(read, width, 7), *inner, *last)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class LocalEnhancer(nn.Module):
    """The image at half its size, and at its own: each resolution has a first convolution of its own."""

    def __init__(self, read: int, write: int, width: int) -> None:
        super().__init__()
        self.model = GlobalGenerator(read, write, 2 * width).model[:-3]
        self.model1_1 = nn.Sequential(nn.ReflectionPad2d(3), *block(read, 2 * width, 7))
        self.model1_2 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(2 * width, write, 7), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        half = F.interpolate(self.model(F.avg_pool2d(images, 2)), scale_factor=2.0)
        return self.model1_2(self.model1_1(images) + half)


class Encoder(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.model = nn.Conv2d(3, features, 3, padding=1)

    def forward(self, images: Tensor, instances: Tensor) -> Tensor:
        features = self.model(images)
        for instance in instances.unique():
            here = (instances == instance).expand_as(features)
            features = features.where(~here, features.where(here, 0).sum() / here.sum())
        return features


class MultiscaleDiscriminator(nn.Module):
    """Scales are numbered from the coarsest; with feature matching each layer has a name of its own."""

    def __init__(self, read: int, width: int, layers: int, scales: int, named: bool) -> None:
        super().__init__()
        self.layers, self.scales, self.named = layers, scales, named
        for scale in range(scales):
            parts = [[nn.Conv2d(read, width, 4, 2, 2), nn.LeakyReLU(0.2, True)]]
            for number in range(1, layers + 1):
                before, now = width * 2 ** (number - 1), width * 2**number
                convolution = nn.Conv2d(before, now, 4, 2 if number < layers else 1, 2)
                parts.append([convolution, nn.InstanceNorm2d(now), nn.LeakyReLU(0.2, True)])
            parts.append([nn.Conv2d(width * 2**layers, 1, 4, 1, 2)])
            for number, part in enumerate(parts if named else ()):
                setattr(self, f"scale{scale}_layer{number}", nn.Sequential(*part))
            if not named:
                setattr(self, f"layer{scale}", nn.Sequential(*(layer for part in parts for layer in part)))

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        return [self.at(scale, F.avg_pool2d(images, 2**place)) for place, scale in enumerate(range(self.scales)[::-1])]

    def at(self, scale: int, images: Tensor) -> list[Tensor]:
        if not self.named:
            return [getattr(self, f"layer{scale}")(images)]
        found = [images]
        for number in range(self.layers + 2):
            found.append(getattr(self, f"scale{scale}_layer{number}")(found[-1]))
        return found[1:]
