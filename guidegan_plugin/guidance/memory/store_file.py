"""Stores on disk: one safetensors file, written whole or not at all, refused by name when torn or foreign."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.map_names import NAME
from guidegan_plugin.guidance.memory.mean_map import MEAN, with_mean
from guidegan_plugin.guidance.memory.sealed_file import named, read_sealed, write_sealed
from guidegan_plugin.guidance.memory.state_check import MAPS, PARTS, check_keys, check_mean, check_state
from guidegan_plugin.utils.files import remedy
from guidegan_plugin.utils.listing import visible_files
from guidegan_plugin.utils.options import Value
from guidegan_plugin.utils.text import short

FORMAT = "guidegan-store-1"
FORMAT_ON_DISK = "guidegan-store-2"
"""Of a file that names a file of maps in place of the maps of a pair."""

STORE_ENDING = "_guide.safetensors"
"""What a store's file name has after its epoch."""

ANEW = "delete it to start from ones"
"""What helps a training that goes on with a store that is torn or foreign."""

States = dict[str, Mapping[str, Tensor]]
"""What is remembered, by the pair's name."""

# What a file may say of the newest images of a pair, and of their maps.
_SHAPES = {"image": "3x1x1", "cells": "1x1"}
_SHAPE = re.compile(r"[1-9]\d{0,4}(x[1-9]\d{0,4})+", re.ASCII)
_PART = re.compile(rf"(.*)\.({'|'.join(PARTS)}|{MAPS.pattern})", re.ASCII | re.DOTALL)


def save_stores(
    path: Path, stores: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str], where: str = "path="
) -> None:
    """Write the stores of all pairs into one file, each with its mean map.

    Args:
        path: File name, by convention ``<epoch>_guide.safetensors``.
        stores: ``AttentionStore.state()``, or what ``AttentionStore.save`` returned, by the pair's name.
        metadata: Small facts to keep with them, such as the config and the networks' digests.
        where: What the user can change to write it elsewhere, for the error.

    Raises:
        StoreError: If the file cannot be written.
    """
    on_disk = {pair: state for pair, state in stores.items() if isinstance(state, DiskState)}
    whole = {pair: on_disk[pair].tensors if pair in on_disk else with_mean(state) for pair, state in stores.items()}
    tensors = {f"{pair}.{name}": tensor for pair, state in whole.items() for name, tensor in state.items()}
    facts = {**metadata, "format": FORMAT_ON_DISK if on_disk else FORMAT, "pairs": json.dumps(sorted(stores))}
    for pair, state in on_disk.items():
        facts |= {f"{pair}.file": state.path.name, f"{pair}.save": str(state.save)}
    try:
        write_sealed(path, tensors, facts)
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error.strerror}; {remedy(error)} or change {where}") from error


def stores_in(folder: Path) -> list[Path]:
    """The stores in a folder, sorted by name; none where it cannot be read. Hidden copies are passed over (macOS)."""
    try:
        return [path for path in visible_files(folder) if path.name.endswith(STORE_ENDING)]
    except OSError:
        return []


def load_stores(path: Path, cure: str = ANEW) -> tuple[States, dict[str, str]]:
    """Read a file of :func:`save_stores`.

    Args:
        path: The file.
        cure: What the user can do where its content is refused, for the error.

    Returns:
        The states by the pair's name, and the metadata. The tensors lie in the file still, the mean map aside: copy
        what is kept for longer than a file stays as it is. A state on the disk is a :class:`DiskState`, which reads its
        file of maps, and refuses it where it has to, when it is asked.

    Raises:
        StoreError: If the file is missing, torn, altered, or holds what no training of ours remembers.
    """
    with _named(path, cure):
        tensors, facts = _read(path)
        found: dict[str, dict[str, Tensor]] = {pair: {} for pair in _check_facts(facts)}
        for name, tensor in tensors.items():
            match = _PART.fullmatch(name)
            if match is None or match[1] not in found:
                raise StoreError(f"holds {short(name)}, which is of none of its pairs {short([*found])}")
            # What was read lies in the file still, and the mean map is held for long: somebody may write over the file.
            found[match[1]][match[2]] = tensor.clone() if match[2] == MEAN else tensor
        states: States = {}
        for pair, state in found.items():
            with _said_of(pair):
                states[pair] = _checked(state, _on_disk(path, facts, pair, state))
    return states, facts


def _on_disk(path: Path, facts: Mapping[str, str], pair: str, state: Mapping[str, Tensor]) -> DiskState | None:
    """What a file says of a pair whose maps lie beside it; None where the file holds them."""
    name = facts.get(f"{pair}.file")
    return None if name is None else DiskState(path.parent / name, int(facts[f"{pair}.save"]), state.get(MEAN), path)


def _checked(state: dict[str, Tensor], on_disk: DiskState | None) -> Mapping[str, Tensor]:
    if on_disk is None:
        check_state(state)
        return state
    if state.keys() - {MEAN}:
        raise StoreError(f"{short(min(state.keys() - {MEAN}))} is kept twice, here and in {on_disk.path.name}")
    check_mean(state)
    return on_disk


def load_facts(path: Path, cure: str = ANEW) -> dict[str, str]:
    """The metadata of a file of :func:`save_stores`. Maps are not read, so the checksum is not looked at either.

    Args:
        path: The file.
        cure: As for :func:`load_stores`.

    Raises:
        StoreError: If the file is missing, torn, or not one of ours.
    """
    with _named(path, cure):
        _, facts = _read(path, ())
        _check_facts(facts)
    return facts


def load_visits(path: Path, cure: str = ANEW) -> dict[str, dict[str, int]]:
    """How often each image was visited. Maps are not read, so the checksum is not looked at either.

    Args:
        path: A file of :func:`save_stores`.
        cure: As for :func:`load_stores`.

    Returns:
        Visits by the image's key, by the pair's name.

    Raises:
        StoreError: If the file is missing, torn, or not one of ours.
    """
    visits: dict[str, dict[str, int]] = {}
    with _named(path, cure):
        tensors, facts = _read(path, (".keys", ".offsets", ".visits"))
        on_disk = {pair: _on_disk(path, facts, pair, {}) for pair in _check_facts(facts)}
        for pair in [pair for pair, maps in on_disk.items() if maps is None]:
            own = {name.removeprefix(f"{pair}."): tensor for name, tensor in tensors.items()}
            with _said_of(pair):
                visits[pair] = dict(zip(check_keys(own), own["visits"].tolist(), strict=True))
    return visits | {pair: maps.visits() for pair, maps in on_disk.items() if maps is not None}  # errors name it


def config_of(facts: Mapping[str, str]) -> dict[str, Value]:
    """How the training was guided, by the options' names, out of the metadata of :func:`load_facts`."""
    found: dict[str, Value] = json.loads(facts.get("config", "{}"))
    return found


def file_names(facts: Mapping[str, str]) -> set[str]:
    """The names of the files of maps beside a store's file, out of its metadata; none where it holds all maps."""
    return {name for fact, name in facts.items() if fact.endswith(".file") and NAME.fullmatch(name)}


def shape_of(facts: Mapping[str, str], pair: str, fact: str) -> tuple[int, ...] | None:
    """A shape out of the metadata of :func:`load_stores`, None where an older file does not say it.

    Args:
        facts: The metadata.
        pair: The pair's name.
        fact: ``"image"``, channels, height and width of its newest images; ``"cells"``, height and width of their maps.
    """
    said = facts.get(f"{pair}.{fact}")
    return None if said is None else tuple(map(int, said.split("x")))


def check_belongs(
    states: Mapping[str, object], facts: Mapping[str, str], pair: str, digest: Callable[[], str], source: str
) -> None:
    """Refuse a memory that is not of a pair's networks.

    Args:
        states: As :func:`load_stores` returns them.
        facts: Likewise.
        pair: The pair's name.
        digest: Makes that of its networks.
        source: The file's name, for the message.

    Raises:
        StoreError: If the pair is missing or belongs to networks with other weights.
    """
    if pair not in states:
        raise StoreError(f"{source} holds pairs {', '.join(states) or 'none'}, not {pair}; {ANEW}")
    if facts.get(f"{pair}.digest") != digest():
        raise StoreError(
            f"{source} belongs to networks with other weights than those loaded for pair {pair}; "
            f"{ANEW}, or load the checkpoint it was saved with"
        )


def of_other_weights(facts: Mapping[str, str], pair: str, digests: Mapping[str, str], source: str) -> str:
    """Whether a file was saved with other weights of single networks; what an older file does not say is not asked.

    Args:
        facts: The metadata.
        pair: The pair's name.
        digests: Of networks, by their roles.
        source: The file's name.

    Returns:
        In words which network has other weights; "" if none has.
    """
    for role, digest in digests.items():
        if facts.get(f"{pair}.digest.{role}", digest) != digest:
            kind = "discriminator" if role[0] == "D" else "generator"
            return f"{source} belongs to a {kind} with other weights than that of pair {pair}"
    return ""


@contextmanager
def _named(path: Path, cure: str) -> Iterator[None]:
    try:
        with named(path, cure):
            yield
    except FileNotFoundError as error:
        raise StoreError(f"there is no store {path}; change path=, or start from ones without it") from error


@contextmanager
def _said_of(pair: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise StoreError(f"is no memory of pair {pair}: {error}") from error


def _read(path: Path, endings: tuple[str, ...] | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors whose names end so, by default all, and the metadata."""
    return read_sealed(path, "not a store", (FORMAT, FORMAT_ON_DISK), endings)


def _check_facts(facts: Mapping[str, str]) -> list[str]:
    """The names of the pairs, once all metadata that anybody reads were looked at."""
    pairs, config = _parsed(facts, "pairs"), _parsed(facts, "config", "{}")
    if not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs) or len({*pairs}) < len(pairs):
        raise StoreError(f"has pairs that are no list of names ({short(pairs)})")
    if not isinstance(config, dict) or not all(isinstance(value, str | int | float) for value in config.values()):
        raise StoreError(f"has a config that is no table of options ({short(config)})")
    for name in (f"{pair}.{count}" for pair in pairs for count in ("steps", "visits", "save")):
        if not re.fullmatch(r"\d{1,18}", facts.get(name, "0"), re.ASCII):
            raise StoreError(f"has {name} that is no number ({short(facts[name])})")
    for pair in pairs:
        file = facts.get(f"{pair}.file")
        if file is not None and (not NAME.fullmatch(file) or f"{pair}.save" not in facts):
            raise StoreError(f"has {pair}.file that is no file of maps ({short(file)})")
    for name, usual in ((f"{pair}.{fact}", usual) for pair in pairs for fact, usual in _SHAPES.items()):
        found = facts.get(name, usual)
        if not _SHAPE.fullmatch(found) or found.count("x") != usual.count("x"):
            raise StoreError(f"has {name} that is no shape ({short(found)})")
    return pairs


def _parsed(facts: Mapping[str, str], name: str, default: str = "") -> object:
    try:
        found: object = json.loads(facts.get(name, default))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"has {name} that are no JSON ({type(error).__name__})") from error
    return found
