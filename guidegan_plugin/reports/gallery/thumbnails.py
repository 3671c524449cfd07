"""Thumbnails: what a sample's place on the page needs, in files beside the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.plugins.sample import ATTENTION, BLENDED, INPUT, OUTPUT, Picture, Sample
from guidegan_plugin.reports.gallery.pictures import blend, evenness, load, overlay
from guidegan_plugin.utils.images import BROKEN

_STRIP = 128


@dataclass(frozen=True)
class Thumbnail:
    """A picture on the page.

    Attributes:
        role: What it shows.
        file: Its name beside the page.
        size: Width and height in pixels.
        full: The picture it was made of, where that is a file.
        over: Name of the same picture with the map laid over it, where there is one.
    """

    role: str
    file: str
    size: tuple[int, int]
    full: Path | None = None
    over: str | None = None


@dataclass(frozen=True)
class SampleThumbnails:
    """A sample with its thumbnails.

    Attributes:
        sample: What the thumbnails show.
        thumbnails: In the order they are shown.
        epochs: Thumbnails of each epoch, by its label.
        evenness: Of the map's picture, None where there is none, or only the placeholder, or the map itself is known.
    """

    sample: Sample
    thumbnails: list[Thumbnail]
    epochs: dict[str, list[Thumbnail]]
    evenness: float | None


class ThumbnailWriter:
    """Writes the thumbnails of samples, numbered, into files.

    Args:
        folder: Of the page; thumbnails go into ``thumbnails`` there.
        size: Of a thumbnail's longer side in pixels.
        concatenation: How input and map are blended; None where nobody knows.

    Attributes:
        broken: Files that could not be read.
    """

    def __init__(self, folder: Path, size: int, concatenation: Concatenation | None) -> None:
        self._folder, self._size, self._concatenation = folder, size, concatenation
        self._written = 0
        self.broken: list[Path] = []
        (folder / "thumbnails").mkdir()

    def write(self, sample: Sample) -> SampleThumbnails:
        """Write a sample's thumbnails.

        Raises:
            OSError: If a file cannot be written.
        """
        images = dict(self._load(sample.pictures, self._size, sample.crop))
        attention = images.get(ATTENTION)
        telling = attention is not None and not sample.placeholder
        even = evenness(sample.pictures[ATTENTION]) if telling and sample.entropy is None else None
        compared = OUTPUT if OUTPUT in images else INPUT
        shown = []
        for role, image in images.items():
            over = role == compared and telling
            full = sample.pictures[role]
            shown.append(self._write(role, image, full, attention if over else None))
            if role == ATTENTION and INPUT in images and (blended := blend(images[INPUT], image, self._concatenation)):
                shown.append(self._write(BLENDED, blended))
        epochs = {label: list(self._epoch(pictures, sample.crop)) for label, pictures in sample.epochs.items()}
        return SampleThumbnails(sample, shown, epochs, even)

    def _epoch(self, pictures: Mapping[str, Picture], crop: int | None) -> Iterator[Thumbnail]:
        images = dict(self._load(pictures, min(self._size, _STRIP), crop))
        for role, image in images.items():
            if role == INPUT and ATTENTION in images:
                yield self._write("map over the input", overlay(image, images[ATTENTION]))
            else:
                yield self._write(role, image)

    def _load(self, pictures: Mapping[str, Picture], size: int, crop: int | None) -> Iterator[tuple[str, Image.Image]]:
        frame = None
        for role, picture in pictures.items():
            try:
                image = load(picture, size, crop if role == INPUT else None, frame)
            except BROKEN:
                if isinstance(picture, Path):
                    self.broken.append(picture)
                continue
            frame = image.size if role == INPUT else frame
            yield role, image

    def _write(
        self, role: str, image: Image.Image, full: Picture | None = None, attention: Image.Image | None = None
    ) -> Thumbnail:
        over = self._save(overlay(image, attention)) if attention is not None else None
        return Thumbnail(role, self._save(image), image.size, full if isinstance(full, Path) else None, over)

    def _save(self, image: Image.Image) -> str:
        # A number, so that no name of a user's can be too long or mean something in an address.
        self._written += 1
        name = f"thumbnails/{self._written:06d}.jpg"
        image.save(self._folder / name, quality=88, subsampling=0)
        return name
