"""Street scenes and their label maps: a paired data set made on the spot.

The label-map-to-photo case. A is a colour-coded label map, B the scene rendered with texture, light and what labels
leave out (windows, lane markings, colours of cars).

    write_paired(Path("datasets/street"), size=128, count=200)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from guidegan_plugin.datasets.synthetic.drawing import Pixels, Plane, smooth_noise, to_pixels
from guidegan_plugin.datasets.synthetic.drawn_set import Split, counts, write_set
from guidegan_plugin.datasets.synthetic.street_objects import PALETTE, Canvas, Street

__all__ = ["PALETTE", "colour_coded", "draw_pair", "draw_street", "write_paired"]

# How rough each class looks: standard deviation of its texture in grey levels, in the order of PALETTE.
_ROUGHNESS = np.array([2, 5, 6, 7, 17, 3, 5, 2], dtype=np.float32)


def write_paired(
    root: Path,
    size: int = 128,
    count: int = 200,
    test_count: int | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Write street scenes beside their label maps.

    `root/{train,test}/00000.png` is A|B, (2 * size, size): the label map in the colours of `PALETTE`, then the
    scene. `root/labels/{train,test}/00000.png` holds the class ids, mode L. An image depends on `seed`, its split
    and its number alone.

    Args:
        root: a folder that is empty, or does not exist.
        size: height and width of A and of B in pixels, at least 32.
        count: pairs to train with, at least 1.
        test_count: pairs to test with; None takes a fifth of `count`, at least 1.
        seed: seed of the set, at least 0.
        workers: processes that draw; 1 draws in this process, None takes one a CPU, and fewer for a small set.

    Raises:
        ConfigError: an argument is out of range.
        GuideError: `root` is taken, or a worker process died.
    """
    train, test = counts(count, test_count)
    splits = Split("train", 4, train, draw_pair), Split("test", 5, test, draw_pair)
    write_set(root, splits, "labels", size, seed, workers)


def draw_pair(rng: np.random.Generator, size: int) -> tuple[Pixels, Pixels]:
    """Draw a colour-coded label map and its scene side by side.

    Args:
        rng: where the randomness comes from.
        size: height and width of either in pixels.

    Returns:
        A|B, uint8, (size, 2 * size, 3), and the class ids, uint8, (size, size).
    """
    scene, labels = draw_street(rng, size)
    return np.concatenate([colour_coded(labels), scene], axis=1), labels


def colour_coded(labels: Pixels) -> Pixels:
    """Paint class ids, (H, W), uint8, in the colours of `PALETTE`; (H, W, 3), uint8."""
    return np.array(list(PALETTE.values()), dtype=np.uint8)[labels]


def draw_street(rng: np.random.Generator, size: int) -> tuple[Pixels, Pixels]:
    """Draw a street down to its vanishing point.

    Args:
        rng: where the randomness comes from.
        size: height and width in pixels.

    Returns:
        The scene, uint8, (size, size, 3), and its class ids in the order of `PALETTE`, uint8, (size, size).
    """
    canvas = Canvas(size)
    street = Street(rng, canvas)
    street.draw_sky()
    street.draw_ground()
    for side in (-1, 1):
        street.draw_houses(side)
    things = [
        (street.draw_tree, 0.7, int(rng.integers(1, 6))),
        (street.draw_sign, 0.85, int(rng.integers(1, 4))),
        (street.draw_pedestrian, 0.9, int(rng.integers(1, 6))),
        (street.draw_car, 0.9, int(rng.integers(1, 6))),
    ]
    placed = [(rng.uniform(0.08, nearest), thing) for thing, nearest, number in things for _ in range(number)]
    # From far to near, so that what is near hides what is behind it.
    for nearness, thing in sorted(placed, key=lambda item: item[0]):
        thing(nearness)
    labels = canvas.labels()
    return _lit(rng, canvas.photo(), labels, street.horizon), labels


def _lit(rng: np.random.Generator, photo: Plane, labels: Pixels, horizon: float) -> Pixels:
    """Roughen a scene by class, and give it haze, a direction of light, a colour of light and grain."""
    size = len(labels)
    rough = smooth_noise(rng, size, (size // 3, size // 3)) + 0.6 * smooth_noise(rng, size, (9, 9))
    photo = photo + (rough * _ROUGHNESS[labels])[..., None]
    rows = np.linspace(0, 1, size, dtype=np.float32)
    haze = np.exp(-np.abs(rows - np.float32(horizon)) * 9) * np.float32(rng.uniform(0.05, 0.45))
    photo += (np.float32(215) - photo) * haze[:, None, None]
    ramp = (rows - 0.5)[None] * np.float32(rng.uniform(-0.35, 0.35)) + np.float32(rng.uniform(0.78, 1.12))
    warmth = np.float32(rng.uniform(-0.07, 0.07)) * np.array([1, 0, -1], dtype=np.float32)
    photo *= ramp[..., None] * (1 + warmth)
    photo += rng.standard_normal(photo.shape, dtype=np.float32) * np.float32(rng.uniform(1, 4))
    return to_pixels(photo)
