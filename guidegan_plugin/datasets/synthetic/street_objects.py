"""What stands in a street, drawn twice with the same outlines: as labels and as a scene."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from guidegan_plugin.datasets.synthetic.drawing import (
    OVERSAMPLING,
    Pixels,
    Plane,
    Points,
    as_fill,
    flat,
    random_colour,
    superellipse,
)

PALETTE: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "sky": (70, 130, 180),
        "building": (70, 70, 70),
        "road": (128, 64, 128),
        "pavement": (244, 35, 232),
        "tree": (107, 142, 35),
        "car": (0, 0, 142),
        "pedestrian": (220, 20, 60),
        "sign": (220, 220, 0),
    }
)
"""Colours of the label map by class, in the order of the class ids."""


class Canvas:
    """A label map and a scene drawn with the same outlines, given in a unit square, x before y."""

    def __init__(self, size: int) -> None:
        self._scale = float(OVERSAMPLING * size)
        self._labels = Image.new("L", (OVERSAMPLING * size, OVERSAMPLING * size))
        self._photo = Image.new("RGB", self._labels.size)
        self._draw_labels, self._draw_photo = ImageDraw.Draw(self._labels), ImageDraw.Draw(self._photo)

    def add(self, name: str | None, outline: Points | Sequence[tuple[float, float]], colour: Plane) -> None:
        """Fill an outline; a detail that no label tells has no `name`."""
        corners = flat(np.asarray(outline, dtype=np.float64), self._scale)
        self._draw_photo.polygon(corners, fill=as_fill(colour))
        if name is not None:
            self._draw_labels.polygon(corners, fill=list(PALETTE).index(name))

    def labels(self) -> Pixels:
        """Class ids at each pixel, (H, W), uint8: not antialiased, since no class lies between two others."""
        return np.asarray(self._labels)[::OVERSAMPLING, ::OVERSAMPLING].copy()

    def photo(self) -> Plane:
        """The scene as drawn, without light and texture, (H, W, 3), float32, in [0, 255]."""
        return np.asarray(self._photo.reduce(OVERSAMPLING), dtype=np.float32)


class Street:
    """What stands in a street. `nearness` runs from 0 at the vanishing point to 1 at the lower edge."""

    def __init__(self, rng: np.random.Generator, canvas: Canvas) -> None:
        self._rng, self._canvas = rng, canvas
        self.horizon = float(rng.uniform(0.38, 0.52))
        self._vanishing = float(rng.uniform(0.35, 0.65))
        self._road = float(rng.uniform(0.42, 0.65))
        self._kerb = self._road + float(rng.uniform(0.18, 0.3))

    def _at(self, across: float, nearness: float) -> tuple[float, float]:
        """Where the ground is, `across` from the road's middle as seen at the lower edge."""
        return self._vanishing + across * nearness, self.horizon + (1 - self.horizon) * nearness

    def _grey(self, low: float, high: float, tint: float = 6.0) -> Plane:
        return (self._rng.uniform(low, high) + self._rng.normal(0, tint, 3)).astype(np.float32)

    def draw_sky(self) -> None:
        """Fill everything; what is drawn later hides it."""
        top = self._rng.uniform([70, 130, 190], [190, 200, 250]).astype(np.float32)
        low = np.array([225, 228, 232], dtype=np.float32)
        bands = 24
        for band in range(bands):
            edge = band / bands * self.horizon
            self._canvas.add("sky", [(0, edge), (1, edge), (1, 1), (0, 1)], top + (low - top) * (band / bands))

    def draw_houses(self, side: int) -> None:
        """Line one side of the street with houses; side -1 is left, 1 is right."""
        ends = [0.05]
        while ends[-1] < 1.8:
            ends.append(ends[-1] * self._rng.uniform(1.3, 2.1))
        for far, near in itertools.pairwise(ends):
            if self._rng.random() < 0.88:
                self._draw_house(side * self._kerb, near, far)

    def _draw_house(self, across: float, near: float, far: float) -> None:
        rng, colour = self._rng, random_colour(self._rng, (0.05, 0.5), (0.4, 0.85))
        height = rng.uniform(0.6, 1.5)

        def at(along: float, up: float) -> tuple[float, float]:
            nearness = near + (far - near) * along
            x, y = self._at(across, nearness)
            return x, y - up * height * nearness

        (corner, low), (_, high), outside = at(0, 0), at(0, 1), 4 * np.sign(across)
        self._canvas.add("building", [(corner, low), (corner, high), (outside, high), (outside, low)], colour * 0.7)
        self._canvas.add("building", [at(0, 0), at(1, 0), at(1, 1), at(0, 1)], colour)
        columns, rows = rng.integers([2, 2], [5, 6]).tolist()
        for column, row in itertools.product(range(columns), range(rows)):
            left, base = (column + 0.25) / columns, (row + 0.35) / rows
            right, top = left + 0.5 / columns, base + 0.45 / rows
            pane = np.array([60, 66, 80], dtype=np.float32) * rng.choice([0.7, 1, 1.9], p=[0.5, 0.35, 0.15])
            self._canvas.add(None, [at(left, base), at(right, base), at(right, top), at(left, top)], pane)

    def draw_ground(self) -> None:
        """Lay pavement, kerb stones, road and lane markings."""
        rng, peak = self._rng, self._at(0, 0)
        paving, tar = self._grey(120, 180), self._grey(60, 110, 3)
        below = [(0.0, self.horizon), (1.0, self.horizon), (1.0, 1.0), (0.0, 1.0)]
        self._canvas.add("pavement", below, paving)
        # Past the lower edge, so that the edge itself is road; the kerb stones are a little wider.
        for name, half, colour in (("pavement", self._road + 0.03, paving * 1.2), ("road", self._road, tar)):
            self._canvas.add(name, [peak, self._at(half, 1.1), self._at(-half, 1.1)], colour)
        white, start = self._grey(190, 235, 3), rng.uniform(0.9, 1.2)
        for near in start * 0.68 ** np.arange(6):
            dash = [self._at(x * 0.02, near * part) for x, part in ((-1, 1), (1, 1), (1, 0.85), (-1, 0.85))]
            self._canvas.add(None, dash, white)

    def _beside(self) -> float:
        """Somewhere on a pavement."""
        return float(self._rng.choice([-1, 1]) * self._rng.uniform(self._road + 0.05, self._kerb - 0.02))

    def draw_tree(self, nearness: float) -> None:
        """Plant a tree on a pavement."""
        rng, (x, y) = self._rng, self._at(self._beside(), nearness)
        tall, bark = nearness * rng.uniform(0.5, 0.9), np.array([86, 66, 48], dtype=np.float32) * rng.uniform(0.6, 1.2)
        slim = 0.028 * nearness
        self._canvas.add("tree", [(x - slim, y), (x + slim, y), (x + slim, y - tall), (x - slim, y - tall)], bark)
        leaf = np.array([rng.uniform(50, 120), rng.uniform(95, 145), rng.uniform(30, 70)], dtype=np.float32)
        for _ in range(9):
            dx, dy = rng.normal(0, 0.09 * nearness, 2)
            crown = superellipse((x + dx, y - tall + dy), tuple(rng.uniform(0.07, 0.15, 2) * nearness), corners=14)
            self._canvas.add("tree", crown, leaf * rng.uniform(0.7, 1.2))

    def draw_sign(self, nearness: float) -> None:
        """Put up a sign at the kerb."""
        rng, (x, y) = self._rng, self._at(float(np.sign(self._beside())) * (self._road + 0.06), nearness)
        tall, slim, radius = nearness * rng.uniform(0.4, 0.5), 0.012 * nearness, nearness * rng.uniform(0.055, 0.08)
        pole = [(x - slim, y), (x + slim, y), (x + slim, y - tall), (x - slim, y - tall)]
        self._canvas.add("sign", pole, self._grey(110, 160))
        corners = int(rng.choice([3, 4, 8, 20]))
        plate = [superellipse((x, y - tall), (r, r), corners=corners) for r in (radius, radius * 0.65)]
        self._canvas.add("sign", plate[0], random_colour(rng, (0.8, 1), (0.7, 0.9)))
        self._canvas.add(None, plate[1], self._grey(200, 245, 3))

    def draw_pedestrian(self, nearness: float) -> None:
        """Put a pedestrian on a pavement."""
        rng, (x, y) = self._rng, self._at(self._beside(), nearness)
        tall = nearness * rng.uniform(0.3, 0.38)
        skin = np.array([224, 172, 130], dtype=np.float32) * rng.uniform(0.45, 1.1)
        coat, legs = random_colour(rng, (0.2, 0.9), (0.3, 0.9)), random_colour(rng, (0.1, 0.5), (0.15, 0.5))
        for step in (-0.09, 0.09):
            foot = x + step * tall * rng.uniform(0.6, 1.5)
            leg = [(x - 0.06 * tall, y - 0.5 * tall), (x + 0.06 * tall, y - 0.5 * tall)]
            self._canvas.add("pedestrian", [*leg, (foot + 0.05 * tall, y), (foot - 0.05 * tall, y)], legs)
        body = superellipse((x, y - 0.62 * tall), (0.14 * tall, 0.23 * tall), power=3, corners=20)
        self._canvas.add("pedestrian", body, coat)
        self._canvas.add("pedestrian", superellipse((x, y - 0.91 * tall), (0.08 * tall, 0.1 * tall), corners=16), skin)

    def draw_car(self, nearness: float) -> None:
        """Put a car on the road: head lamps on the left side, tail lamps on the right."""
        rng, side = self._rng, self._rng.choice([-1, 1])
        x, y = self._at(float(side * rng.uniform(0.3, 0.75)) * self._road, nearness)
        paint, half = random_colour(rng, (0, 0.9), (0.25, 0.95)), nearness * rng.uniform(0.13, 0.17)
        tyre, glass = self._grey(20, 35, 2), self._grey(50, 110) + np.array([0, 6, 14], dtype=np.float32)
        for wheel in (-0.72, 0.72):
            self._canvas.add("car", superellipse((x + wheel * half, y - 0.12 * half), (0.2 * half, 0.24 * half)), tyre)
        cabin = np.array([(-0.8, -0.85), (-0.58, -1.42), (0.58, -1.42), (0.8, -0.85)])
        self._canvas.add("car", cabin * half + (x, y), paint * 0.85)
        self._canvas.add("car", superellipse((x, y - 0.58 * half), (half, 0.42 * half), power=5), paint)
        self._canvas.add(None, cabin * (0.82, 0.9) * half + (x, y - 0.06 * half), glass)
        lamp = np.array([250, 240, 190] if side < 0 else [190, 25, 20], dtype=np.float32)
        for place in (-0.72, 0.72):
            self._canvas.add(None, superellipse((x + place * half, y - 0.65 * half), (0.16 * half, 0.1 * half)), lamp)
