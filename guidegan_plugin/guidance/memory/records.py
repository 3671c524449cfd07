"""What a memory knows of its images, and what it answers when it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from guidegan_plugin.guidance.memory.view import View


@dataclass(frozen=True, eq=False)
class Recalled:
    """What is remembered of the images of one batch.

    Attributes:
        maps: ``(N, 1, h, w)``, float32 in [0, 1], as they were last written, all ones for an image never visited;
            ``(N, 1, 1, 1)`` where no image is known.
        ages: How many writes ago each map was written, 1 for the newest; None where there is none.
        visits: How often each image was visited.
        views: Crop and flip of the last visits, the whole image where one is unknown; None where all are.
    """

    maps: Tensor
    ages: tuple[int | None, ...]
    visits: tuple[int, ...]
    views: View | None

    @property
    def visited(self) -> list[bool]:
        """Which images are known, and so have a map of their own."""
        return [age is not None for age in self.ages]


@dataclass(frozen=True)
class Counts:
    """How a memory was used.

    Attributes:
        visits: Of all images.
        epoch_visits: Since the last epoch ended, in this process.
        epoch_first_visits: Those among them that were an image's first.
        age: How many writes ago an image's map was written, 1 for the newest, averaged over images; counted
            since this process began.
    """

    visits: int
    epoch_visits: int
    epoch_first_visits: int
    age: float


@dataclass(frozen=True)
class Totals:
    """Sums over images.

    Attributes:
        images: How many there are.
        visits: Of all.
        stamps: When their maps were written, counted in writes of one training; for no longer than this training.
        bytes: Of their maps.
    """

    images: int = 0
    visits: int = 0
    stamps: int = 0
    bytes: int = 0

    def __add__(self, other: Totals) -> Totals:
        images, visits = self.images + other.images, self.visits + other.visits
        return Totals(images, visits, self.stamps + other.stamps, self.bytes + other.bytes)

    def __sub__(self, other: Totals) -> Totals:
        images, visits = self.images - other.images, self.visits - other.visits
        return Totals(images, visits, self.stamps - other.stamps, self.bytes - other.bytes)
