"""Folders of images to be scored."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guidegan_plugin.errors import DataError
from guidegan_plugin.plugins.find_host import registered_hosts
from guidegan_plugin.utils.images import OPAQUE, list_images, open_image

LOSSY = (".jpg", ".jpeg", ".webp")

_WITH_ALPHA = ("LA", "PA", "RGBA")
_log = logging.getLogger(__name__)


def find_images(folder: Path, flag: str, suffix: str | None = None, least: int = 1) -> list[Path]:
    """The images of a folder, not of its subfolders, sorted by name.

    Args:
        folder: where they lie.
        flag: the option that names the folder, for the error.
        suffix: what a file name ends with before its extension, such as ``_fake_B`` among a host's results; None for a
            folder that no ``--suffix`` is said of.
        least: how many are needed.

    Raises:
        DataError: If it is no folder, holds too few images, or holds several visuals of each image (a host's results)
            and no suffix says which.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; change {flag}")
    paths = [path for path in list_images(folder) if path.stem.endswith(suffix or "")]
    cure = f"change {flag} or --suffix" if suffix else f"change {flag}"
    if len(paths) < least:
        named = f" *{suffix}.*" if suffix else ""
        raise DataError(
            f"{folder} holds {len(paths)} images{named}, at least {least} are needed (subfolders are not read); {cure}"
        )
    for host in registered_hosts():
        results = re.compile(f"({host.results})$") if host.results else None
        kinds = sorted({match[0] for path in paths if results and (match := results.search(path.stem))})
        if len(kinds) > 1:
            say = "" if suffix is None else f"{'change' if suffix else 'say'} --suffix, or "
            raise DataError(f"{folder} mixes a host's visuals ({', '.join(kinds)}); {say}change {flag}")
    return paths


def read_image(path: Path, flag: str) -> Tensor:
    """Read an image as RGB; gray is repeated, an alpha channel that is opaque throughout is dropped.

    Args:
        path: the file.
        flag: the option that names its folder, for the error.

    Returns:
        (3, H, W), uint8.

    Raises:
        DataError: If it is no readable image, has more than 8 bits a channel, another colour space, or transparency.
    """
    image = open_image(path, flag, (*OPAQUE, *_WITH_ALPHA))
    may_be_clear = "transparency" in image.info or image.mode in _WITH_ALPHA
    if may_be_clear and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise DataError(f"{path} is transparent, and what lies behind it is unknown; flatten it, or change {flag}")
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def batches(images: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Stack neighbours of one shape.

    Args:
        images: each (3, H, W), uint8; a change of H or W ends a batch.
        size: images a batch, at most.

    Returns:
        (N, 3, H, W), float32, in [0, 1], in the images' order.
    """
    waiting: list[Tensor] = []
    for image in images:
        if waiting and (len(waiting) == size or waiting[0].shape != image.shape):
            yield torch.stack(waiting) / 255
            waiting = []
        waiting.append(image)
    if waiting:
        yield torch.stack(waiting) / 255
