"""Drawing with NumPy and Pillow: noise, colours, antialiased polygons."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

OVERSAMPLING = 2


def smooth_noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> Plane:
    """Draw noise that varies over a grid of cells and is smooth in between.

    Args:
        rng: where the randomness comes from.
        size: height and width in pixels.
        cells: rows and columns of the grid; unequal numbers give streaks.

    Returns:
        Noise, (size, size), float32, about standard normal at the grid's nodes.
    """
    grid = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def random_colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Plane:
    """Draw a colour of any hue.

    Args:
        rng: where the randomness comes from.
        saturation: lowest and highest saturation, in [0, 1].
        value: lowest and highest value (of HSV), in [0, 1].

    Returns:
        Red, green and blue, (3,), float32, in [0, 255].
    """
    hsv = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(*hsv), dtype=np.float32) * 255


def as_fill(colour: Plane) -> tuple[int, int, int]:
    """Convert a colour, (3,), float32, to what Pillow draws with, clipped to [0, 255]."""
    red, green, blue = np.clip(np.rint(colour), 0, 255).astype(int).tolist()
    return red, green, blue


def superellipse(
    centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, power: float = 2.0, corners: int = 40
) -> Points:
    """Outline an ellipse (`power` 2), or a rounded rectangle (a higher `power`).

    Args:
        centre: x and y of its centre.
        radii: half its width and half its height, before it is turned.
        angle: the turn in radians.
        power: n of `|x|^n + |y|^n = 1`.
        corners: how many points the outline has.

    Returns:
        The outline, (corners, 2), float64, x before y.
    """
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    unit = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline = np.sign(unit) * np.abs(unit) ** (2 / power) * radii
    return rotated(outline, angle) + centre


def rotated(points: Points, angle: float) -> Points:
    """Turn points, (K, 2), float64, by an angle in radians around the origin."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = points[:, 0], points[:, 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)


def flat(points: Points, scale: float = OVERSAMPLING) -> list[tuple[float, float]]:
    """Convert points in pixels to corners for Pillow on a canvas that is `scale` times as large.

    Pillow's integer coordinates are pixel centres; ours are pixel corners, hence the half.
    """
    return [(x, y) for x, y in (points * scale - 0.5).tolist()]


def coverage(parts: Sequence[Points], size: int) -> Plane:
    """Rasterise the union of polygons.

    Args:
        parts: outlines, each (K, 2), float64, in pixels.
        size: height and width in pixels.

    Returns:
        The share of each pixel that is covered, (size, size), float32, in [0, 1].
    """
    canvas = Image.new("L", (OVERSAMPLING * size, OVERSAMPLING * size))
    draw = ImageDraw.Draw(canvas)
    for part in parts:
        draw.polygon(flat(part), fill=255)
    return np.asarray(canvas.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)


def to_pixels(image: Plane) -> Pixels:
    """Round an image, float32, to uint8, clipped to [0, 255]."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
