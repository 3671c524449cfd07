"""Attention maps to be laid over label images: out of stores, or out of a host's results."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.errors import ConfigError, DataError, StoreError
from guidegan_plugin.evaluation.label_images import read_pixels
from guidegan_plugin.evaluation.stems import images_by_stem
from guidegan_plugin.guidance.memory.state_dict import unpack
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, load_stores, stores_in
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.memory.written_over import not_written_over

_log = logging.getLogger(__name__)
_CURE = "change --store"


@dataclass(frozen=True, eq=False)
class SeenMap:
    """The map of an image as it was seen at one visit.

    Attributes:
        stem: Of the image's name.
        map: ``(1, h, w)``, float32 in [0, 1], in the visit's frame.
        view: That frame, None for the whole image.
    """

    stem: str
    map: Tensor
    view: View | None = None


def in_image(seen: SeenMap, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Lay a map over its image.

    Args:
        seen: The map and the view it was seen under.
        size: Height and width of the image.

    Returns:
        Attention ``(H, W)``, float32 in [0, 1], bilinear; and which pixels the visit showed, ``(H, W)``, bool.
    """
    view = seen.view if seen.view is not None else View.identity()
    grid = F.affine_grid(view.seen_from(View.identity()), [1, 1, *size], align_corners=False)
    values = F.grid_sample(seen.map[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return values[0, 0], (grid[0].abs() <= 1).all(dim=-1)


def store_files(paths: Sequence[Path]) -> dict[str, Path]:
    """Stores by their epochs.

    Args:
        paths: Store files, or folders of ``<epoch>_guide.safetensors``.

    Returns:
        Files by epoch: numbers in their order, then names such as ``latest``. Stores whose maps a later one wrote
        over (``store=mmap``) are left out, which is said.

    Raises:
        ConfigError: If a path is missing, a folder holds none, or two are of one epoch.
        StoreError: If one is torn or foreign.
    """
    found: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = stores_in(path)
        if not inside or not inside[0].is_file():
            raise ConfigError(f"{path} is no store and no folder of *{STORE_ENDING}; change --store")
        for file in inside:
            epoch = file.name.removesuffix(STORE_ENDING)
            if epoch in found:
                raise ConfigError(f"{found[epoch]} and {file} are both of epoch {epoch}; change --store")
            found[epoch] = file
    ordered = dict(sorted(found.items(), key=lambda item: (not item[0].isdecimal(), item[0].zfill(9))))
    kept = {*not_written_over([*ordered.values()], _CURE)}
    if over := [epoch for epoch, file in ordered.items() if file not in kept]:
        _log.warning("epochs %s are left out: their maps were written over by later ones", ", ".join(over))
    return {epoch: file for epoch, file in ordered.items() if file in kept}


@contextlib.contextmanager
def _cured() -> Iterator[None]:
    """To delete the file that is torn is for a training that goes on with it; what is in use, say, has its own cure."""
    try:
        yield
    except StoreError as error:
        said, _, cure = str(error).rpartition("; ")
        raise StoreError(f"{said}; {_CURE if 'from ones' in cure else cure}") from error


def maps_in_store(path: Path, pair: str | None = None, suffix: str = "") -> list[SeenMap]:
    """Read one pair's maps.

    Args:
        path: A store file.
        pair: The pair's name; not needed where there is one.
        suffix: What an image's name has after the stem its label image shares; it must be there.

    Raises:
        StoreError: If it is no store of ours.
        ConfigError: If it has no such pair or several to choose from, no map, or a name without the suffix.
    """
    states, _ = load_stores(path, _CURE)
    if pair is None and len(states) == 1:
        pair = next(iter(states))
    if pair is None or pair not in states:
        raise ConfigError(f"{path} holds pairs {', '.join(sorted(states))}, asked for {pair}; change --pair")
    with _cured():  # maps on the disk are read now
        entries = list(unpack(states[pair]))
    seen = [SeenMap(_stem(entry.key, suffix), entry.map, entry.view) for entry in entries]
    if not seen:
        raise ConfigError(f"{path} holds no map of pair {pair}; change --store or --pair")
    if len({one.stem for one in seen}) < len(seen):
        twice = Counter(one.stem for one in seen).most_common(1)[0][0]
        raise ConfigError(f"{path} remembers several images of the name {twice}, so any may be meant; change --store")
    if unknown := sum(one.view is None for one in seen):
        _log.warning(
            "%s does not say how %d of %d images were cropped and flipped; their maps are laid over the whole image",
            path,
            unknown,
            len(seen),
        )
    return seen


def maps_in_folder(folder: Path, suffix: str = "_attention_A") -> Iterator[SeenMap]:
    """Read the maps among a host's results, which show whole images.

    Args:
        folder: Of ``<stem><suffix>.png``, gray.
        suffix: What a map's name has after its image's.

    Raises:
        DataError: If there is none, or one is not gray or not readable.
    """
    for stem, path in images_by_stem(folder, "--maps", suffix).items():
        pixels = read_pixels(path, "--maps")
        if pixels.ndim == 3:
            if (pixels != pixels[..., :1]).any():
                raise DataError(f"{path} is in colour, a map is gray; change --maps or --suffix")
            pixels = pixels[..., 0]
        yield SeenMap(stem, torch.from_numpy(pixels / 255).float()[None])


def _stem(key: str, suffix: str) -> str:
    stem = PurePosixPath(key).stem
    if not stem.endswith(suffix):
        raise ConfigError(f"the store remembers {key}, whose name does not end with {suffix}; change --suffix")
    return stem.removesuffix(suffix)
