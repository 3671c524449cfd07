"""The predictors of a checkpoint's pairs in one file: written whole or not at all, refused when torn or foreign."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory.sealed_file import named, read_sealed, write_sealed
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.random_states import networks_of_our_own
from guidegan_plugin.utils.text import short

FORMAT = "guidegan-predictors-1"
PREDICTOR_ENDING = "_guide_predictor.safetensors"
"""What a predictor's file name has after its epoch."""

_MOST_CELLS, _MOST_PIXELS = 1 << 11, 1 << 15  # along a side, that a file may name


@dataclass(frozen=True)
class Prediction:
    """What is known of a pair's predictor.

    Attributes:
        channels: Of the images it reads.
        cells: Height and width of the maps it learned from.
        seen: Height and width of their images in pixels, None where unknown.
        digest: Of the networks whose memory it learned from, as the store's file has it.
        images: It learned from.
        held_out: Images it did not learn from.
        correlation: Of predicted maps with those of the images held out: the mean over images.
        mean_correlation: Of the mean map with the same.
    """

    channels: int
    cells: tuple[int, int]
    seen: tuple[int, int] | None
    digest: str
    images: int
    held_out: int
    correlation: float
    mean_correlation: float


def predictor_path(store: Path) -> Path:
    """Where the predictors lie that belong to a store."""
    stem = store.name.removesuffix(STORE_ENDING) if store.name.endswith(STORE_ENDING) else store.stem
    return store.with_name(f"{stem}{PREDICTOR_ENDING}")


def how_to_make(store: Path) -> str:
    """The command that makes the predictors of a store, as the end of a sentence."""
    return f"make it: guidegan predict-maps {shlex.quote(str(store))}"


def save_predictors(path: Path, predictors: Mapping[str, tuple[MapPredictor, Prediction]]) -> None:
    """Write predictors.

    Args:
        path: File name.
        predictors: By the pair's name, each with what is known of it.

    Raises:
        ConfigError: If the file cannot be written.
    """
    tensors = {
        f"{pair}.{name}": tensor.detach().cpu().contiguous()
        for pair, (network, _) in predictors.items()
        for name, tensor in network.state_dict().items()
    }
    facts = {"format": FORMAT, "pairs": json.dumps({pair: asdict(known) for pair, (_, known) in predictors.items()})}
    with os_errors_as(ConfigError, f"cannot write {path}"):
        write_sealed(path, tensors, facts)


def load_predictors(path: Path, store: Path) -> dict[str, tuple[MapPredictor, Prediction]]:
    """Read a file of :func:`save_predictors`.

    Args:
        path: The file.
        store: The store it belongs to, for messages.

    Raises:
        StoreError: If the file is missing, torn, or no file of predictors; the message names the command that makes it.
    """
    try:
        with named(path, f"delete it, and {how_to_make(store)}"):
            return _read(path)
    except FileNotFoundError as error:
        raise StoreError(f"there is no predictor {path}; {how_to_make(store)}") from error


def _read(path: Path) -> dict[str, tuple[MapPredictor, Prediction]]:
    tensors, facts = read_sealed(path, "no file of predictors", (FORMAT,))
    found = {}
    for pair, told in _pairs(facts).items():
        with networks_of_our_own():
            network = MapPredictor(told.channels, told.cells, told.seen)
        for name, wanted in network.state_dict().items():
            value = tensors.get(f"{pair}.{name}", wanted[None])
            if value.shape != wanted.shape or value.dtype != wanted.dtype or not value.isfinite().all():
                raise StoreError(f"has no weights {short(f'{pair}.{name}')} {tuple(wanted.shape)}")
            wanted.copy_(value)  # the network's own
        found[pair] = network.requires_grad_(False), told
    return found


def _pairs(facts: Mapping[str, str]) -> dict[str, Prediction]:
    """What is said of each pair, once all of it was looked at."""
    try:
        said = json.loads(facts["pairs"])
        read = {str(pair): Prediction(**told) for pair, told in said.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"does not say what its predictors are ({type(error).__name__})") from error
    for pair, told in read.items():
        fits = _is_size(told.cells, _MOST_CELLS) and (told.seen is None or _is_size(told.seen, _MOST_PIXELS))
        numbers = (told.images, told.held_out, told.correlation, told.mean_correlation)
        known = isinstance(told.digest, str) and all(type(number) in (int, float) for number in numbers)
        if not fits or type(told.channels) is not int or told.channels not in (1, 3) or not known:
            raise StoreError(f"says of pair {short(pair)} what cannot be")
        object.__setattr__(told, "cells", tuple(told.cells))
        object.__setattr__(told, "seen", None if told.seen is None else tuple(told.seen))
    return read


def _is_size(value: object, most: int) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(one) is int and 1 <= one <= most for one in value)


def is_of(told: Prediction, facts: Mapping[str, str], pair: str) -> bool:
    """Whether a predictor learned from the memory of a store: from that of the same networks."""
    return re.fullmatch(r"[0-9a-f]{64}", told.digest) is not None and facts.get(f"{pair}.digest") == told.digest
