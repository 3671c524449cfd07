"""Label images as labels: gray levels are ids, colours are looked up in a palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from guidegan_plugin.datasets.palettes import Palette
from guidegan_plugin.errors import DataError
from guidegan_plugin.utils.images import open_image

Labels = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]

_UNKNOWN = -1


def read_labels(path: Path, palette: Palette, flag: str = "--truth") -> Labels:
    """Read a label image that must be exact: ids where it is gray, otherwise the palette's colours.

    Args:
        path: 8 bits a channel; mode L holds ids, any other mode colours.
        palette: What they mean.
        flag: The option that named it, for complaints.

    Returns:
        Labels ``(H, W)``, int64 in 0..``palette.void_label``.

    Raises:
        DataError: If it is no readable image, or holds an id or a colour the palette does not know.
    """
    return exact_labels(read_pixels(path, flag), path, palette, flag)


def exact_labels(pixels: Pixels, path: Path, palette: Palette, flag: str = "--truth") -> Labels:
    """The labels of a label image that was read: ids ``(H, W)``, otherwise colours ``(H, W, 3)``.

    Args:
        pixels: uint8, as :func:`read_pixels` returns them.
        path: Where they were read, for complaints.
        palette: What they mean.
        flag: The option that named the path, for complaints.

    Returns:
        Labels ``(H, W)``, int64 in 0..``palette.void_label``.

    Raises:
        DataError: If they hold an id or a colour the palette does not know.
    """
    known = labels_from_ids(pixels, palette) if pixels.ndim == 2 else labels_from_colours(pixels, palette)
    unknown = known == _UNKNOWN
    if unknown.any():
        what, value = ("id", pixels[unknown][0]) if pixels.ndim == 2 else ("colour", tuple(pixels[unknown][0].tolist()))
        raise DataError(
            f"{path} has {np.count_nonzero(unknown)} pixels of unknown {what}s, the first {value}, which palette "
            f"{palette.name} does not know; change {flag} or --palette"
        )
    return known


def read_pixels(path: Path, flag: str) -> Pixels:
    """Read an image: gray ``(H, W)`` where its mode is L, otherwise colours ``(H, W, 3)``, both uint8.

    Raises:
        DataError: If it is no readable image of 8 bits, or has transparent pixels.
    """
    image = open_image(path, flag, ("L", "P", "RGB", "RGBA"))
    pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    if image.mode == "RGBA" and (pixels[..., 3] != 255).any():
        raise DataError(f"{path} has transparent pixels; change {flag}")
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def labels_from_ids(ids: Pixels, palette: Palette) -> Labels:
    """Look gray levels up.

    Args:
        ids: ``(H, W)``, uint8.
        palette: Whose ``ids`` they are.

    Returns:
        Labels ``(H, W)``, int64; -1 where an id is unknown.
    """
    table = np.full(256, _UNKNOWN, dtype=np.int64)
    for place, entry in enumerate(palette.entries):
        table[list(entry.ids)] = palette.label(place)
    return table[ids]


def labels_from_colours(colours: Pixels, palette: Palette) -> Labels:
    """Look colours up, exactly.

    Args:
        colours: ``(H, W, 3)``, uint8.
        palette: Whose colours they are.

    Returns:
        Labels ``(H, W)``, int64; -1 where a colour is unknown.
    """
    labels = np.full(colours.shape[:2], _UNKNOWN, dtype=np.int64)
    for place, entry in enumerate(palette.entries):
        if entry.colour is not None:
            labels[(colours == entry.colour).all(axis=-1)] = palette.label(place)
    return labels


def nearest_labels(colours: Pixels, palette: Palette) -> Labels:
    """Read a translated label image: each pixel is the class whose colour is nearest (Euclidean, in RGB).

    Colours of what is not scored take part: a pixel painted so where the truth has a class is a miss. Of two equally
    near colours the palette's first wins.

    Args:
        colours: ``(H, W, 3)``, uint8.
        palette: Whose colours they may be.

    Returns:
        Labels ``(H, W)``, int64 in 0..``palette.void_label``.
    """
    wide = colours.astype(np.int32)
    labels = np.zeros(colours.shape[:2], dtype=np.int64)
    least = np.full(colours.shape[:2], np.iinfo(np.int32).max, dtype=np.int32)
    # One colour after another, since all distances at once would take a hundred bytes and more a pixel.
    for place, entry in enumerate(palette.entries):
        if entry.colour is None:
            continue
        distance = sum((wide[..., channel] - entry.colour[channel]) ** 2 for channel in range(3))
        nearer = distance < least
        labels[nearer] = palette.label(place)
        least = np.where(nearer, distance, least)
    return labels
