"""The base of all data sets, and the transforms they share.

Every transform is an object of a module-level class, so that workers started by `spawn` can unpickle it.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

BICUBIC = Image.Resampling.BICUBIC


class BaseDataset(Dataset[dict[str, Any]]):
    """A data set made from the options. Subclasses define `__len__` and `__getitem__`.

    Args:
        opt: Options.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        self.opt = opt
        self.root = opt.dataroot

    def __len__(self) -> int:
        """Number of images."""
        raise NotImplementedError

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        """Add options of this data set, or change defaults; return the parser."""
        return parser


class ScaleWidth:
    """Resizes an image to a width and keeps its proportions, but never below a height."""

    def __init__(self, width: int, min_height: int) -> None:
        self.width = width
        self.min_height = min_height

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the resized image."""
        width, height = image.size
        target = (self.width, max(self.width * height // width, self.min_height))
        return image if target == image.size else image.resize(target, BICUBIC)


class RoundSize:
    """Resizes an image so that both its sides are multiples of a number, as strided layers need them."""

    def __init__(self, base: int = 4) -> None:
        self.base = base

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the resized image."""
        width, height = (max(round(side / self.base), 1) * self.base for side in image.size)
        target = (width, height)
        return image if target == image.size else image.resize(target, BICUBIC)


class FixedCrop:
    """Cuts a square out of an image at a known place; an image no larger than the square stays whole."""

    def __init__(self, position: tuple[int, int], size: int) -> None:
        self.position = position
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the square."""
        x, y = self.position
        fits = image.width <= self.size and image.height <= self.size
        return image if fits else image.crop((x, y, x + self.size, y + self.size))


class FixedFlip:
    """Mirrors an image left to right."""

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the mirror image."""
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def get_params(opt: argparse.Namespace, size: tuple[int, int]) -> dict[str, Any]:
    """Draw one crop and flip with Python's generator, for images that have to share them.

    Args:
        opt: Options.
        size: Width and height of the image.

    Returns:
        `crop_pos`, the left upper corner (x, y) in the resized image; `flip`, whether to mirror.
    """
    width, height = size
    if opt.preprocess == "resize_and_crop":
        width = height = opt.load_size
    elif opt.preprocess == "scale_width_and_crop":
        width, height = opt.load_size, opt.load_size * height // width
    x = random.randint(0, max(0, width - opt.crop_size))
    y = random.randint(0, max(0, height - opt.crop_size))
    return {"crop_pos": (x, y), "flip": random.random() > 0.5}


def get_transform(
    opt: argparse.Namespace, params: dict[str, Any] | None = None, grayscale: bool = False, convert: bool = True
) -> transforms.Compose:
    """Build the transform that `--preprocess` and `--no_flip` describe.

    Args:
        opt: Options.
        params: What `get_params` drew. None draws anew for each image, with torch's generator.
        grayscale: Reduce the image to one channel.
        convert: End with a tensor, (C, H, W), float32, in [-1, 1]; otherwise with a PIL image.

    Returns:
        The transform, from a PIL image.
    """
    steps: list[Any] = [transforms.Grayscale(1)] if grayscale else []
    if "resize" in opt.preprocess:
        steps.append(transforms.Resize((opt.load_size, opt.load_size), transforms.InterpolationMode.BICUBIC))
    elif "scale_width" in opt.preprocess:
        steps.append(ScaleWidth(opt.load_size, opt.crop_size))
    if "crop" in opt.preprocess:
        crop = transforms.RandomCrop(opt.crop_size) if params is None else FixedCrop(params["crop_pos"], opt.crop_size)
        steps.append(crop)
    if opt.preprocess == "none":
        steps.append(RoundSize())
    if not opt.no_flip:
        if params is None:
            steps.append(transforms.RandomHorizontalFlip())
        elif params["flip"]:
            steps.append(FixedFlip())
    if convert:
        middle = (0.5,) if grayscale else (0.5, 0.5, 0.5)
        steps += [transforms.ToTensor(), transforms.Normalize(middle, middle)]
    return transforms.Compose(steps)
