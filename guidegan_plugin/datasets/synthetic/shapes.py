"""Plain and striped objects: an unpaired data set whose attention is known.

The horse-to-zebra case, made on the spot. Domain A shows one plain object, domain B one object with stripes, and
the backgrounds of both come from one distribution: the stripes alone tell the domains apart, so a discriminator has
to look at the object, whose region is known.

    write_unpaired(Path("datasets/shapes"), size=128, count=200)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from guidegan_plugin.datasets.synthetic.background import draw_background
from guidegan_plugin.datasets.synthetic.drawing import (
    Pixels,
    Plane,
    Points,
    coverage,
    random_colour,
    rotated,
    smooth_noise,
    superellipse,
    to_pixels,
)
from guidegan_plugin.datasets.synthetic.drawn_set import Split, counts, write_set

Region = npt.NDArray[np.bool_]


def write_unpaired(
    root: Path,
    size: int = 128,
    count: int = 200,
    test_count: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    pairs: bool = False,
) -> None:
    """Write plain objects (A), striped objects (B) and the regions of both.

    Images are `root/{trainA,trainB,testA,testB}/00000.png`; the object's region is `root/regions/trainA/00000.png`
    and so on, mode L, 255 inside and 0 outside. Regions lie outside of `trainA`, because host codebases read a
    folder with all its subfolders. An image depends on `seed`, its split and its number alone.

    Args:
        root: a folder that is empty, or does not exist.
        size: height and width in pixels, at least 32.
        count: images of each domain to train with, at least 1.
        test_count: images of each domain to test with; None takes a fifth of `count`, at least 1.
        seed: seed of the set, at least 0.
        workers: processes that draw; 1 draws in this process, None takes one a CPU, and fewer for a small set.
        pairs: also write `root/{train,test}/00000.png`: image 0 of `trainA` or `testA` on the left, and on the right
            the same with stripes. What is unpaired stays as it is.

    Raises:
        ConfigError: an argument is out of range.
        GuideError: `root` is taken, or a worker process died.
    """
    train, test = counts(count, test_count)
    splits = [
        Split("trainA", 0, train, draw_plain),
        Split("trainB", 1, train, draw_striped),
        Split("testA", 2, test, draw_plain),
        Split("testB", 3, test, draw_striped),
    ]
    if pairs:  # of the streams of the plain objects
        splits += [Split("train", 0, train, draw_plain_and_striped), Split("test", 2, test, draw_plain_and_striped)]
    write_set(root, splits, "regions", size, seed, workers)


def draw_plain(rng: np.random.Generator, size: int) -> tuple[Pixels, Region]:
    """Draw a plain object on a background.

    Args:
        rng: where the randomness comes from.
        size: height and width in pixels.

    Returns:
        The image, uint8, (size, size, 3), and the region of all pixels that the object touches, bool, (size, size).
    """
    scene = _draw_scene(rng, size)
    return scene.painted(scene.colour), scene.region


def draw_striped(rng: np.random.Generator, size: int) -> tuple[Pixels, Region]:
    """Draw a striped object on a background: what `draw_plain` draws from the same `rng`, and stripes.

    Args:
        rng: where the randomness comes from.
        size: height and width in pixels.

    Returns:
        The image, uint8, (size, size, 3), and the region of all pixels that the object touches, bool, (size, size).
    """
    scene = _draw_scene(rng, size)
    stripes = _draw_stripes(rng, size, scene.angle)[..., None]
    dark = scene.colour.mean() > 115
    contrast = scene.colour * 0.12 + rng.uniform(8, 30) if dark else 250 - (255 - scene.colour) * rng.uniform(0, 0.15)
    return scene.painted(scene.colour + (contrast - scene.colour) * stripes), scene.region


def draw_plain_and_striped(rng: np.random.Generator, size: int) -> tuple[Pixels, Region]:
    """Draw a plain object and, beside it, the same with stripes.

    Args:
        rng: where the randomness comes from.
        size: height and width of each half in pixels.

    Returns:
        What `draw_plain` and `draw_striped` draw from the same `rng`, side by side, uint8, (size, 2 * size, 3), and the
        region of the object, bool, (size, size).
    """
    plain, region = draw_plain(copy.deepcopy(rng), size)
    return np.concatenate([plain, draw_striped(rng, size)[0]], axis=1), region


@dataclass(frozen=True)
class _Scene:
    background: Pixels
    cover: Plane
    shade: Plane
    colour: Plane
    angle: float

    @property
    def region(self) -> Region:
        return self.cover > 0

    def painted(self, colour: Plane) -> Pixels:
        below = self.background.astype(np.float32)
        return to_pixels(below + (colour * self.shade[..., None] - below) * self.cover[..., None])


def _draw_scene(rng: np.random.Generator, size: int) -> _Scene:
    background = draw_background(rng, size)
    parts, angle = _draw_figure(rng)
    cover = coverage(_placed(rng, parts, size), size)
    under = background[cover > 0].mean(axis=0)
    # The most visible of a few colours: an object that melts into its background shows no region to look at.
    colours = [random_colour(rng, (0.2, 0.85), (0.4, 0.95)) for _ in range(5)]
    colour = max(colours, key=lambda candidate: float(np.abs(candidate - under).sum()))
    return _Scene(background, cover, _draw_shade(rng, cover), colour, angle)


def _draw_figure(rng: np.random.Generator) -> tuple[list[Points], float]:
    """Outline an object at any scale; also returns the angle it is turned by."""
    kind = rng.choice(["animal", "ellipse", "box", "polygon"], p=[0.4, 0.2, 0.2, 0.2])
    angle = rng.uniform(-0.3, 0.3) if kind == "animal" else rng.uniform(0, np.pi)
    if kind == "animal":
        parts = _draw_animal(rng)
    elif kind == "polygon":
        corners = int(rng.integers(3, 8))
        turns = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
        parts = [np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(0.75, 1.1, (corners, 1))]
    else:
        power = 2.0 if kind == "ellipse" else rng.uniform(5, 9)
        parts = [superellipse((0, 0), (1, rng.uniform(0.5, 1)), power=power)]
    return [rotated(part, angle) for part in parts], float(angle)


def _draw_animal(rng: np.random.Generator) -> list[Points]:
    """Outline body, neck, head, ear, tail and four legs; y points down."""
    girth, leg, reach, lift = rng.uniform([0.42, 0.55, 0.3, 0.45], [0.6, 0.95, 0.5, 0.85])
    head = 0.85 + reach, -girth * 0.4 - lift
    parts = [
        superellipse((0, 0), (1, girth), power=2.4),
        np.array([(0.5, -girth * 0.7), (0.9, girth * 0.3), (head[0] + 0.1, head[1] + 0.1), (head[0] - 0.25, head[1])]),
        superellipse((head[0] + 0.08, head[1]), (0.4, 0.21), angle=rng.uniform(0.2, 0.7)),
        np.array([(head[0] - 0.3, head[1]), (head[0] - 0.2, head[1] - 0.4), (head[0], head[1] - 0.1)]),
        np.array([(-0.9, -girth * 0.4), (-1.3, rng.uniform(-0.1, 0.5)), (-1.15, 0.5), (-0.85, 0)]),
    ]
    for hip in (-0.78, -0.5, 0.45, 0.75):
        foot = hip + rng.uniform(-0.12, 0.12)
        ground = girth + leg
        parts.append(np.array([(hip - 0.16, 0.1), (hip + 0.16, 0.1), (foot + 0.1, ground), (foot - 0.1, ground)]))
    side = rng.choice([-1.0, 1.0])
    return [part * (side, 1.0) for part in parts]


def _placed(rng: np.random.Generator, parts: list[Points], size: int) -> list[Points]:
    """Scale an object to 8 to 25 % of the area, 13 % on average, and put it anywhere fully inside.

    Regions also count the pixels that a rim covers in part: at 128 pixels they still average 13 %, at 32 pixels 16 %.
    """
    corners = np.concatenate(parts)
    low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
    probe = 64
    filled = coverage([(part - low) * (probe / extent.max()) for part in parts], probe).mean() * extent.max() ** 2
    share = 0.08 + 0.17 * rng.beta(1.2, 2.9)
    scale = min(size * np.sqrt(share / filled), (size - 4) / extent.max())
    # Pillow rounds outlines outwards, by up to a pixel of the oversampled canvas: a wider margin than the one promised.
    corner = 1.5 + rng.random(2) * (size - 3 - extent * scale)
    return [(part - low) * scale + corner for part in parts]


def _draw_shade(rng: np.random.Generator, cover: Plane) -> Plane:
    """Light an object from one side, darken its rim and roughen its skin; (H, W), float32, around 1."""
    size = len(cover)
    soft = Image.fromarray(to_pixels(cover * 255)).filter(ImageFilter.GaussianBlur(size / 24))
    rim = np.asarray(soft, dtype=np.float32) / 255
    angle = rng.uniform(np.pi * 0.2, np.pi * 0.8)
    ramp = np.linspace(0.5, -0.5, size, dtype=np.float32)
    light = ramp[:, None] * np.float32(np.sin(angle)) + ramp[None] * np.float32(np.cos(angle))
    light -= light[cover > 0].mean()
    return 0.72 + 0.32 * rim + 0.5 * light + 0.03 * smooth_noise(rng, size, (24, 24))


def _draw_stripes(rng: np.random.Generator, size: int, angle: float) -> Plane:
    """Draw wavy stripes over a whole image, about across the object's long side; (H, W), float32, in [0, 1]."""
    period = max(4.0, rng.uniform(0.065, 0.1) * size)
    turn = angle + rng.uniform(-0.35, 0.35)
    axis = np.arange(size, dtype=np.float32)
    along = axis[None] * np.float32(np.cos(turn)) + axis[:, None] * np.float32(np.sin(turn))
    along = along + smooth_noise(rng, size, (5, 5)) * np.float32(0.22 * period)
    wave = np.sin(along * np.float32(2 * np.pi / period) + np.float32(rng.uniform(0, 2 * np.pi)))
    # A sine's slope at zero is 2 pi / period a pixel: scaled so, an edge is one pixel wide.
    edges: Plane = np.clip(0.5 + wave * np.float32(period / (2 * np.pi)), 0, 1).astype(np.float32)
    return edges
