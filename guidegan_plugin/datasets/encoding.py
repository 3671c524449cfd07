"""Images: put side by side, encoded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from guidegan_plugin.errors import ConfigError, DataError


@dataclass(frozen=True)
class Encoding:
    """How images are written.

    Attributes:
        format: `png` or `jpg`.
        quality: Of a JPEG, 1 to 100.

    Raises:
        ConfigError: One of them is out of range.
    """

    format: str = "png"
    quality: int = 95

    def __post_init__(self) -> None:
        if self.format not in ("png", "jpg"):
            raise ConfigError(f"format: expected png or jpg, found {self.format!r}; change --format")
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality: expected 1 to 100, found {self.quality}; change --quality")

    def encode(self, image: Image.Image) -> bytes:
        """Encode an image.

        Args:
            image: RGB or L.

        Returns:
            The file's content.
        """
        buffer = io.BytesIO()
        if self.format == "jpg":
            # Full colour resolution: halved, it would smear the edges between two labels' colours.
            image.save(buffer, "JPEG", quality=self.quality, subsampling=0)
        else:
            image.save(buffer, "PNG")
        return buffer.getvalue()

    def options(self) -> dict[str, str | int]:
        """What decides the written bytes, by name."""
        return {"format": self.format} | ({"quality": self.quality} if self.format == "jpg" else {})


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to RGB, the way it is shown: a photo that its camera turned (EXIF) is turned.

    Raises:
        DataError: It has more than 8 bits a channel, which Pillow would clip to nearly white; or it is transparent
            somewhere, and what lies behind it there is no picture.
    """
    if image.mode.startswith(("I", "F")):
        raise DataError(f"an image of 8 bits a channel is expected, this one has mode {image.mode}; convert it")
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError("an opaque image is expected, this one is transparent; flatten it first")
    return image.convert("RGB")


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Join two images of one size into A|B.

    Args:
        left: A, (H, W).
        right: B, (H, W), the way they are shown.

    Returns:
        RGB, (H, 2 * W).

    Raises:
        DataError: Their sizes differ, or one cannot be made RGB.
    """
    left, right = as_rgb(left), as_rgb(right)
    if left.size != right.size:
        raise DataError(f"A is {left.width} x {left.height}, B is {right.width} x {right.height}; a pair has one size")
    joined = Image.new("RGB", (2 * left.width, left.height))
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width, 0))
    return joined
