"""Images of several folders side by side: inputs down, methods or epochs across.

The folders are a host's results, with several images of one stem, or plain ones. Rows are found by stem: an image's
name without the column's suffix and the extension.
"""

from __future__ import annotations

import io
import logging
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.evaluation.stems import images_by_stem
from guidegan_plugin.utils.files import write_output
from guidegan_plugin.utils.images import OPAQUE, open_image
from guidegan_plugin.utils.progress import progress

_log = logging.getLogger(__name__)

_MODES = (*OPAQUE, "LA", "PA", "RGBA", "CMYK", "YCbCr")  # 16 bits would be clipped by Pillow to nearly all white
_GAP = 4
_SMALLEST = 10  # letters, in pixels
_NAMED = 5  # at most, in a message
_PAGE, _INK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class GridColumn:
    """A column of a grid.

    Attributes:
        title: written above.
        folder: where its images are.
        suffix: what follows the stem in their names, such as ``_fake_B``; empty for images named by stem alone.
    """

    title: str
    folder: Path
    suffix: str = ""


def parse_column(text: str) -> GridColumn:
    """Read ``TITLE=DIR`` or ``TITLE=DIR:SUFFIX``.

    Raises:
        ConfigError: It is neither.
    """
    title, equals, place = text.partition("=")
    if not (title and equals and place):
        raise ConfigError(f"expected TITLE=DIR or TITLE=DIR:SUFFIX, found {text!r}; change --column")
    folder, colon, suffix = place.rpartition(":")
    if not colon or not folder or set(suffix) & {"/", "\\"} or Path(place).is_dir():
        return GridColumn(title, Path(place))
    return GridColumn(title, Path(folder), suffix)


def write_grid(
    out: Path,
    columns: Sequence[GridColumn],
    *,
    images: Sequence[str] | None = None,
    count: int = 6,
    seed: int = 0,
    size: int = 256,
    title: str = "",
    overlay: Sequence[str] = (),
) -> list[str]:
    """Draw a grid into a PNG.

    An image of exactly ``size`` is pasted pixel by pixel; others are fitted into the cell, whole multiples without
    smoothing.

    Args:
        out: a ``.png`` file.
        columns: left to right.
        images: stems, one a row; None draws ``count`` of those that every column has.
        count: how many rows to draw at random; all, where there are fewer.
        seed: of that draw.
        size: side of a cell in pixels.
        title: written above; may be empty.
        overlay: titles of columns whose images are attention maps, drawn in colour over the first column's images.

    Returns:
        The rows' stems.

    Raises:
        ConfigError: an argument cannot work, or ``out`` cannot be written.
        DataError: images are missing or cannot be read.
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"a grid is a .png, found {str(out)!r}; change --out")
    titles = [column.title for column in columns]
    if unknown := [name for name in overlay if name not in titles[1:]]:
        raise ConfigError(
            f"overlay: expected a column after the first, {', '.join(titles[1:]) or 'of which there is none'};"
            f" found {unknown[0]!r}; change --overlay"
        )
    found = [
        images_by_stem(column.folder, f"--column {column.title}=...", column.suffix, deep=False) for column in columns
    ]
    if os.path.realpath(out) in {os.path.realpath(path) for files in found for path in files.values()}:
        raise ConfigError(f"{out} is one of the images that are read, and would be lost; change --out")
    stems = _choose(columns, found, count, seed) if images is None else _named(columns, found, images)
    picture = _page(titles, len(stems), size, title)
    for row, stem in enumerate(progress(stems, "rows")):
        first = _read(found[0][stem])
        for number, (name, files) in enumerate(zip(titles, found, strict=True)):
            image = _read(files[stem])
            cell = _fitted(_over(first, image) if name in overlay else image, size)
            left, top = _corner(number, row, size, picture.height - _body(len(stems), size))
            picture.paste(cell, (left + (size - cell.width) // 2, top + (size - cell.height) // 2))
    _save(picture, out)
    return stems


def _named(columns: Sequence[GridColumn], found: Sequence[Mapping[str, Path]], images: Sequence[str]) -> list[str]:
    for column, files in zip(columns, found, strict=True):
        if missing := [stem for stem in images if stem not in files]:
            raise DataError(
                f"column {column.title}: no {_some(missing)} in {column.folder} (suffix {column.suffix!r});"
                " change --images or --column"
            )
    return list(images)


def _choose(columns: Sequence[GridColumn], found: Sequence[Mapping[str, Path]], count: int, seed: int) -> list[str]:
    everything = set().union(*found)
    common = everything.intersection(*found)
    if not common:
        examples = "; ".join(f"{c.title}: {min(files)}" for c, files in zip(columns, found, strict=True))
        raise DataError(f"no image is in every column ({examples}); change --column, or its :SUFFIX")
    for column, files in zip(columns, found, strict=True):
        if missing := sorted(everything - set(files)):
            _log.warning(
                "column %s lacks %d of %d images: %s", column.title, len(missing), len(everything), _some(missing)
            )
    return sorted(random.Random(seed).sample(sorted(common), min(count, len(common))))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _read(path: Path) -> Image.Image:
    return open_image(path, "--column", _MODES).convert("RGB")


def _over(image: Image.Image, maps: Image.Image) -> Image.Image:
    """An attention map in colour, half transparent."""
    try:
        from matplotlib import colormaps
    except ImportError as error:
        raise ConfigError('--overlay needs matplotlib: pip install "guidegan_plugin[eval]"') from error
    gray = np.asarray(maps.convert("L").resize(image.size, Image.Resampling.BILINEAR))
    colours = Image.fromarray(colormaps["inferno"](gray, bytes=True)[..., :3])
    return Image.blend(image, colours, 0.5)


def _fitted(image: Image.Image, size: int) -> Image.Image:
    longest = max(image.size)
    if longest == size:
        return image
    shape = tuple(max(1, round(side * size / longest)) for side in image.size)
    smooth = Image.Resampling.LANCZOS if size % longest else Image.Resampling.NEAREST
    return image.resize((shape[0], shape[1]), smooth)


def _body(rows: int, size: int) -> int:
    return rows * (size + _GAP)


def _corner(column: int, row: int, size: int, top: int) -> tuple[int, int]:
    return _GAP + column * (size + _GAP), top + row * (size + _GAP)


def _page(titles: Sequence[str], rows: int, size: int, title: str) -> Image.Image:
    """An empty grid with its texts."""
    line = max(12, size // 10)
    head = (2 * line if title else 0) + 2 * line
    width = _GAP + len(titles) * (size + _GAP)
    page = Image.new("RGB", (width, head + _body(rows, size)), _PAGE)
    draw = ImageDraw.Draw(page)
    if title:
        _write(draw, title, width // 2, line, line, width - 2 * _GAP)
    for number, text in enumerate(titles):
        _write(draw, text, _corner(number, 0, size, 0)[0] + size // 2, head - line, line, size)
    return page


def _write(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, height: int, room: int) -> None:
    """Text around a point, made smaller where it would not fit, and cut where it still would not."""
    text = text.replace("→", "->")  # which Pillow's own font lacks
    while (font := ImageFont.load_default(height)) and draw.textlength(text, font) > room and height > _SMALLEST:
        height -= 1
    while draw.textlength(text, font) > room and len(text) > 1:
        text = text[:-2] + "…"
    draw.text((x, y), text, fill=_INK, font=font, anchor="mm")


def _save(picture: Image.Image, out: Path) -> None:
    content = io.BytesIO()
    picture.save(content, "PNG")
    write_output(out, content.getvalue(), "change --out")
