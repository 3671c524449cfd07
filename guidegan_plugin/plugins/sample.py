"""A run that is over, as its samples: one image, translated by one pair, and where the discriminator looked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

# A picture: a file, or a map (h, w), uint8.
Picture = Path | npt.NDArray[np.uint8]

INPUT, ATTENTION, BLENDED, OUTPUT = "input", "attention map", "blended input", "output"
TARGET, RECONSTRUCTION = "target", "reconstruction"

_EPOCHS = 20
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Sample:
    """One image as one pair translated it.

    Attributes:
        name: Of the image; any text a file name can be.
        group: What it belongs to, such as ``A → B``; "" where there is but one group.
        pictures: By role, in the order they are shown.
        placeholder: Whether the map is only what test time shows the generator.
        epochs: Pictures of the same image in several epochs, by the epoch's label and by role.
        entropy: Of the map as it is remembered, None where only a picture of it is known.
        visits: How often training visited it, None where unknown.
        age: Epochs since that last happened, None where unknown.
        given: What the map is where it is not the discriminator's own, in a word or two; "" where it is.
        crop: Which half of its input is the image, of a pair saved side by side: 0 left, 1 right; None: the whole.
    """

    name: str
    group: str
    pictures: Mapping[str, Picture]
    placeholder: bool = False
    epochs: Mapping[str, Mapping[str, Picture]] = field(default_factory=dict)
    entropy: float | None = None
    visits: int | None = None
    age: int | None = None
    crop: int | None = None
    given: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """What a training or a test left to be shown.

    Attributes:
        samples: In the order they are shown.
        concat: How input and map were blended; None where nothing of the run says it.
        title: Of the run; "" for its folder's name.
    """

    samples: Sequence[Sample]
    concat: str | None = None
    title: str = ""


def natural(name: str) -> list[str | int]:
    """A key that sorts ``image2`` before ``image10``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name.casefold())]


def evenly(items: Sequence[_Item], count: int = _EPOCHS) -> list[_Item]:
    """At most so many of the items, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]
