"""Photos and their labels, as pix2pix and CycleGAN read them: A is the photo, B the label picture."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from guidegan_plugin.datasets.encoding import Encoding, as_rgb, side_by_side
from guidegan_plugin.datasets.palettes import RGB, LabelClass
from guidegan_plugin.datasets.preparation import Job
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.images import open_image

KINDS = ("paired", "unpaired")
IDS = "labels"


@dataclass(frozen=True)
class Style:
    """How photos and labels are written.

    Attributes:
        kind: `paired`: `train/x.png` is photo|label; `unpaired`: `trainA/x.png` the photo, `trainB/x.png` the label.
        size: Height and width of photo and label, at least 1.
        encoding: Of both; class ids are PNG in any case.
        classes: For label files of class ids; None where labels are coloured already.
        rest: The colour of ids that no class has; None refuses them.

    Raises:
        ConfigError: One of them is out of range.
    """

    kind: str = "paired"
    size: int = 256
    encoding: Encoding = field(default_factory=Encoding)
    classes: tuple[LabelClass, ...] | None = None
    rest: RGB | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind: expected {' or '.join(KINDS)}, found {self.kind!r}; change --kind")
        if self.size < 1:
            raise ConfigError(f"size: expected at least 1, found {self.size}; change --size")

    def options(self) -> dict[str, str | int]:
        """What decides the written bytes, by name."""
        return {"kind": self.kind, "size": self.size, **self.encoding.options()}


def job(photo: Path, label: Path, split: str, stem: str, style: Style) -> Job:
    """Plan a photo and its label.

    Args:
        photo: The photo's file.
        label: The label's file: a picture in colours, or class ids where the style has classes.
        split: `train` or `test`.
        stem: Name of what is written, without suffix.
        style: How it is written.

    Returns:
        A job for the picture or pictures, and for `labels/<split>/<stem>.png` where class ids are known.
    """
    name = f"{stem}.{style.encoding.format}"
    targets = [f"{split}/{name}"] if style.kind == "paired" else [f"{split}A/{name}", f"{split}B/{name}"]
    if style.classes is not None:
        targets.append(f"{IDS}/{split}/{stem}.png")
    return Job((photo, label), tuple(targets), functools.partial(photo_and_label, style=style))


def photo_and_label(sources: Sequence[Path], style: Style) -> list[bytes]:
    """Resize a photo and its label, and paint the label where it is of class ids.

    Args:
        sources: The photo and the label.
        style: How they are written.

    Returns:
        The contents of the files that :func:`job` names.

    Raises:
        DataError: One cannot be read, or the label has ids that no class has.
    """
    size = style.size, style.size
    photo, label = as_rgb(open_image(sources[0])), open_image(sources[1])
    if abs(photo.width * label.height / (photo.height * label.width) - 1) > 0.02:  # no rounding of sizes explains it
        raise DataError(
            f"the photo is {photo.width} x {photo.height}, its label {label.width} x {label.height}: made square, "
            "they would not lie on one another"
        )
    photo = photo.resize(size, Image.Resampling.BICUBIC)
    # Nearest: between two classes there is no third.
    ids = None if style.classes is None else label.resize(size, Image.Resampling.NEAREST)
    if style.classes is None or ids is None:
        colours = as_rgb(label).resize(size, Image.Resampling.NEAREST)
    else:
        colours = painted(ids, style.classes, style.rest)
    pictures = [side_by_side(photo, colours)] if style.kind == "paired" else [photo, colours]
    contents = [style.encoding.encode(picture) for picture in pictures]
    if ids is not None:
        contents.append(Encoding().encode(Image.fromarray(np.asarray(ids))))
    return contents


def painted(ids: Image.Image, classes: Sequence[LabelClass], rest: RGB | None = None) -> Image.Image:
    """Paint class ids in their classes' colours.

    Args:
        ids: Mode L, or P whose indices are the ids.
        classes: Names, colours and ids.
        rest: The colour of ids that no class has; None refuses them.

    Returns:
        RGB, of the same size.

    Raises:
        DataError: The image is of another mode, or has ids that no class has while `rest` is None.
    """
    if ids.mode not in ("L", "P"):
        raise DataError(f"a label file of class ids has mode L, this one {ids.mode}; is it a picture in colours?")
    table = np.full((256, 3), rest or (0, 0, 0), dtype=np.uint8)
    known = np.full(256, rest is not None)
    for entry in classes:
        table[list(entry.ids)], known[list(entry.ids)] = entry.colour or (0, 0, 0), True
    found = np.asarray(ids)
    unknown = sorted(set(np.unique(found[~known[found]]).tolist()))
    if unknown:
        raise DataError(f"class ids {', '.join(map(str, unknown))} are not among those of the {len(classes)} classes")
    return Image.fromarray(table[found])
