"""The pictures of a gallery: thumbnails, the blended input, and a map laid over an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.memory.statistics import entropy
from guidegan_plugin.plugins.sample import Picture

Pixels = npt.NDArray[np.floating]

EVEN = 32  # about the cells a side of a default map at 256 pixels
_ORANGE = np.array([255, 106, 0], np.float32)
_OPACITY = 0.75
_GRAY = 127.5


def load(picture: Picture, size: int, crop: int | None = None, frame: tuple[int, int] | None = None) -> Image.Image:
    """Open a picture, no side longer than ``size``.

    Args:
        picture: A file, or a map.
        size: In pixels; a smaller file stays as it is, a map is brought to it.
        crop: 0 for the left half of it, 1 for the right, None for the whole.
        frame: Width and height, or what is to them as they are, of the image that a map lies over; None: the map's own.

    Returns:
        Mode RGB.

    Raises:
        OSError: If the file is missing, or no image.
    """
    if not isinstance(picture, Path):
        width, height = frame or (picture.shape[1], picture.shape[0])
        scale = size / max(width, height)
        shape = max(1, round(width * scale)), max(1, round(height * scale))
        return Image.fromarray(picture).resize(shape, Image.Resampling.BILINEAR).convert("RGB")
    with Image.open(picture) as file:
        image = file.convert("RGB")
    if crop is not None:
        width, height = image.size
        image = image.crop((crop * (width // 2), 0, width // 2 * (crop + 1), height))
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    return image


def weights(attention: Image.Image, size: tuple[int, int]) -> Pixels:
    """A map as numbers, at the size of an image.

    Args:
        attention: The map, gray.
        size: Width and height.

    Returns:
        ``(H, W, 1)``, floating, in [0, 1].
    """
    gray = attention.convert("L").resize(size, Image.Resampling.BILINEAR)
    return np.asarray(gray, np.float32)[..., None] / 255


def blend(image: Image.Image, attention: Image.Image, concatenation: Concatenation | None) -> Image.Image | None:
    """What a concatenation makes of an image and its map, as far as a screen can show it.

    Args:
        image: The input.
        attention: Its map.
        concatenation: How they are blended; None where nobody knows.

    Returns:
        Mode RGB; None of a concatenation that shows nothing.
    """
    if concatenation is None:
        return None
    x, a = np.asarray(image, np.float32), weights(attention, image.size)
    images = torch.from_numpy((x - _GRAY) / _GRAY).permute(2, 0, 1)[None]
    shown = concatenation.preview(images, torch.from_numpy(a).permute(2, 0, 1)[None])
    return None if shown is None else _image(shown[0].permute(1, 2, 0).numpy() * _GRAY + _GRAY)


def overlay(image: Image.Image, attention: Image.Image) -> Image.Image:
    """The map laid over an image: the more the discriminator looks there, the more orange."""
    opacity = weights(attention, image.size) * _OPACITY
    return _image((1 - opacity) * np.asarray(image, np.float32) + opacity * _ORANGE)


def evenness(picture: Picture) -> float:
    """How evenly bright a picture of a map is: the entropy of its ``EVEN`` x ``EVEN`` areas.

    It is not the entropy of the map, whose cells and values the picture does not tell; but it is the same whatever the
    size of thumbnails, and nearly so whatever the size of the picture.

    Args:
        picture: A file, or a map.

    Returns:
        In [0, 1]: 1 is everywhere alike.

    Raises:
        OSError: If the file is missing, or no image.
    """
    if isinstance(picture, Path):
        with Image.open(picture) as file:
            gray = file.convert("L")
    else:
        gray = Image.fromarray(picture)
    areas = np.array(gray.resize((EVEN, EVEN), Image.Resampling.BOX), np.float32) / 255
    return float(entropy(torch.from_numpy(areas)[None, None]))


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
