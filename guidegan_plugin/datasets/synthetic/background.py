"""Backgrounds that vary a lot: gradients, grounds, textures, blobs and clutter."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from guidegan_plugin.datasets.synthetic.drawing import (
    OVERSAMPLING,
    Pixels,
    Plane,
    as_fill,
    flat,
    random_colour,
    smooth_noise,
    superellipse,
    to_pixels,
)


def draw_background(rng: np.random.Generator, size: int) -> Pixels:
    """Draw a background: a gradient, often a ground, texture, blobs, clutter, and grain.

    Args:
        rng: where the randomness comes from.
        size: height and width in pixels.

    Returns:
        The image, uint8, (size, size, 3).
    """
    image = _draw_gradient(rng, size)
    if rng.random() < 0.5:
        horizon = rng.uniform(0.3, 0.75) * size + smooth_noise(rng, size, (1, 4))[0] * rng.uniform(0, 0.06) * size
        ground = np.clip(np.arange(size)[:, None] - horizon + 0.5, 0, 1)[..., None].astype(np.float32)
        image += (_draw_gradient(rng, size) - image) * ground
    for cells in (4, 10, 28):
        grid = int(cells * rng.uniform(0.5, 1.5)) + 1, int(cells * rng.uniform(0.5, 1.5)) + 1
        tint = rng.uniform(0, 4) * (1 + 0.4 * rng.standard_normal(3))
        image += smooth_noise(rng, size, grid)[..., None] * tint.astype(np.float32)
    if rng.random() < 0.6:
        # Blurred enough to be no rival of the object: a sharp disc would be a plain object itself.
        image = _paste(image, _draw_pieces(rng, size, (0.06, 0.2), int(rng.integers(2, 7))), blur=0.08 * size)
    if rng.random() < 0.4:
        image = _paste(image, _draw_pieces(rng, size, (0.008, 0.03), int(rng.integers(4, 12))), blur=0.0)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0.5, 2))
    return to_pixels(image)


def _draw_gradient(rng: np.random.Generator, size: int) -> Plane:
    """Draw a gradient between two colours, (H, W, 3), float32."""
    turn = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    blend = ramp[:, None] * np.float32(np.sin(turn)) + ramp[None] * np.float32(np.cos(turn)) + np.float32(0.5)
    first, second = random_colour(rng, (0.05, 0.6), (0.25, 0.95)), random_colour(rng, (0.05, 0.6), (0.25, 0.95))
    return first + (second - first) * blend[..., None]


def _draw_pieces(rng: np.random.Generator, size: int, radius: tuple[float, float], count: int) -> Image.Image:
    """Draw small ellipses, boxes, polygons and strokes, RGBA, oversampled."""
    canvas = Image.new("RGBA", (OVERSAMPLING * size, OVERSAMPLING * size))
    draw = ImageDraw.Draw(canvas)
    for _ in range(count):
        longest = rng.uniform(*radius) * size
        radii = longest, longest * rng.choice([0.15, 0.6, 1])
        x, y = rng.uniform(0, size, 2)
        corners = int(rng.choice([3, 4, 5, 16]))
        piece = superellipse((x, y), radii, rng.uniform(0, np.pi), corners=corners)
        draw.polygon(flat(piece), fill=as_fill(random_colour(rng, (0.05, 0.75), (0.2, 0.95))))
    return canvas


def _paste(image: Plane, pieces: Image.Image, blur: float) -> Plane:
    """Lay oversampled pieces over an image, (H, W, 3), float32; `blur` is a radius in pixels."""
    # Premultiplied, or the blur would mix the empty canvas's black into every edge.
    small = pieces.reduce(OVERSAMPLING).convert("RGBa")
    if blur:
        small = small.filter(ImageFilter.GaussianBlur(blur))
    above = np.asarray(small, dtype=np.float32)
    return image * (1 - above[..., 3:] / np.float32(255)) + above[..., :3]
