"""From a scene to what its place on the page needs: thumbnails in files, and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from guidegan_plugin.plugins.sample import ATTENTION, BLENDED, INPUT, OUTPUT, Moment, Picture, Scene
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
class Card:
    """An image's place on the page.

    Attributes:
        scene: What it shows.
        thumbnails: In the order they are shown.
        epochs: Label and thumbnails of each moment.
        evenness: Of the map's picture, None where there is none, or only the placeholder, or the map itself is known.
    """

    scene: Scene
    thumbnails: list[Thumbnail]
    epochs: list[tuple[str, list[Thumbnail]]]
    evenness: float | None


class Maker:
    """Makes cards, writing their thumbnails as it goes.

    Args:
        folder: Of the page; thumbnails go into ``thumbnails`` there.
        size: Of a thumbnail's longer side in pixels.
        concat: How input and map are blended, for :func:`~guidegan_plugin.reports.gallery.pictures.blend`.

    Attributes:
        broken: Files that could not be read.
    """

    def __init__(self, folder: Path, size: int, concat: str) -> None:
        self._folder, self._size, self._concat = folder, size, concat
        self._written = 0
        self.broken: list[Path] = []
        (folder / "thumbnails").mkdir()

    def card(self, scene: Scene) -> Card:
        """Write a scene's thumbnails."""
        images = dict(self._load(scene.pictures, self._size, scene.crop))
        attention = images.get(ATTENTION)
        telling = attention is not None and not scene.placeholder
        even = evenness(scene.pictures[ATTENTION]) if telling and scene.entropy is None else None
        compared = OUTPUT if OUTPUT in images else INPUT
        shown = []
        for role, image in images.items():
            over = role == compared and telling
            full = scene.pictures[role]
            shown.append(self._thumbnail(role, image, full, attention if over else None))
            if role == ATTENTION and INPUT in images and (blended := blend(images[INPUT], image, self._concat)):
                shown.append(self._thumbnail(BLENDED, blended))
        epochs = [(moment.epoch, list(self._moment(moment, scene.crop))) for moment in scene.moments]
        return Card(scene, shown, epochs, even)

    def _moment(self, moment: Moment, crop: int | None) -> Iterator[Thumbnail]:
        images = dict(self._load(moment.pictures, min(self._size, _STRIP), crop))
        for role, image in images.items():
            if role == INPUT and ATTENTION in images:
                yield self._thumbnail("map over the input", overlay(image, images[ATTENTION]))
            else:
                yield self._thumbnail(role, image)

    def _load(self, pictures: Mapping[str, Picture], size: int, crop: int | None) -> Iterator[tuple[str, Image.Image]]:
        for role, picture in pictures.items():
            try:
                yield role, load(picture, size, crop if role == INPUT else None)
            except BROKEN:
                if isinstance(picture, Path):
                    self.broken.append(picture)

    def _thumbnail(
        self, role: str, image: Image.Image, full: Picture | None = None, attention: Image.Image | None = None
    ) -> Thumbnail:
        over = self._write(overlay(image, attention)) if attention is not None else None
        return Thumbnail(role, self._write(image), image.size, full if isinstance(full, Path) else None, over)

    def _write(self, image: Image.Image) -> str:
        # A number, so that no name of a user's can be too long or mean something in an address.
        self._written += 1
        name = f"thumbnails/{self._written:06d}.jpg"
        image.save(self._folder / name, quality=88, subsampling=0)
        return name
