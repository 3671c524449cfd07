"""What a memory knows of its images besides their maps."""

from __future__ import annotations

from dataclasses import dataclass

from guidegan_plugin.guidance.memory.storage import Shape
from guidegan_plugin.guidance.memory.view import View


@dataclass
class Record:
    """What is known of one image.

    Attributes:
        shape: Height and width of its map.
        row: Where in that shape's slab the map lies.
        visits: How often the image was visited.
        view: Crop and flip of the last visit.
        fresh: Visits that other processes have not heard of.
        stamp: When the map was written, counted in writes.
    """

    shape: Shape
    row: int
    visits: int = 0
    view: View | None = None
    fresh: int = 0
    stamp: int = 0


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
