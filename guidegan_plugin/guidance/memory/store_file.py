"""Stores on disk: one safetensors file, written whole or not at all, refused by name when torn or foreign."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.utils.files import write_whole

FORMAT = "guidegan-store-1"
STORE_ENDING = "_guide.safetensors"
"""What a store's file name has after its epoch."""


class _Reader(Protocol):
    """What safetensors lacks: types."""

    def keys(self) -> list[str]: ...

    def get_tensor(self, name: str) -> Tensor: ...


def save_stores(path: Path, stores: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str]) -> None:
    """Write the stores of all pairs into one file.

    Args:
        path: File name, by convention ``<epoch>_guide.safetensors``.
        stores: ``AttentionStore.state()`` by the pair's name.
        metadata: Small facts to keep with them, such as the config and the networks' digests.

    Raises:
        StoreError: If the file cannot be written.
    """
    tensors = {f"{pair}.{name}": tensor for pair, state in stores.items() for name, tensor in state.items()}
    facts = {**metadata, "format": FORMAT, "pairs": json.dumps(sorted(stores))}
    facts["sha256"] = _checksum(tensors, facts)
    try:
        write_whole(path, safetensors.torch.save(tensors, metadata=facts))
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error.strerror}; free space or change path=") from error


def load_stores(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, str]]:
    """Read a file of :func:`save_stores`.

    Returns:
        The states by the pair's name, and the metadata.

    Raises:
        StoreError: If the file is missing, torn, altered, or not one of ours.
    """
    with _opened(path) as (file, facts):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a reader, not a dict
    if facts.pop("sha256", None) != _checksum(tensors, facts):
        raise StoreError(f"{path} was altered after it was written (checksum differs); delete it to start from ones")
    states: dict[str, dict[str, Tensor]] = {pair: {} for pair in json.loads(facts["pairs"])}
    for name, tensor in tensors.items():
        pair, _, part = name.partition(".")
        states[pair][part] = tensor
    return states, facts


def load_visits(path: Path) -> dict[str, dict[str, int]]:
    """How often each image was visited. Maps are not read, so the checksum is not looked at either.

    Args:
        path: A file of :func:`save_stores`.

    Returns:
        Visits by the image's key, by the pair's name.

    Raises:
        StoreError: If the file is missing, torn, or not one of ours.
    """
    with _opened(path) as (file, facts):
        return {pair: _visits(file, pair) for pair in json.loads(facts["pairs"])}


def _visits(file: _Reader, pair: str) -> dict[str, int]:
    keys = unpack_keys({name: file.get_tensor(f"{pair}.{name}") for name in ("keys", "offsets")})
    return dict(zip(keys, file.get_tensor(f"{pair}.visits").tolist(), strict=True))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Reader, dict[str, str]]]:
    """A store to be read, and its metadata."""
    if not path.is_file():
        raise StoreError(f"there is no store {path}; change path=, or start from ones without it")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            if facts.get("format") != FORMAT:
                raise StoreError(
                    f"{path} has format {facts.get('format')!r}, expected {FORMAT!r}; delete it to start from ones"
                )
            yield file, facts
    except (OSError, safetensors.SafetensorError, UnicodeError) as error:
        raise StoreError(f"{path} is torn or not a store ({error}); delete it to start from ones") from error


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    for name in sorted(tensors):
        _add(digest, name, tensors[name])
    return digest.hexdigest()


def networks_digest(networks: Mapping[str, nn.Module]) -> str:
    """One fingerprint of the weights of several networks, the same on every device.

    Args:
        networks: Networks by name; wrappers that hold the real one as ``module`` or ``_orig_mod`` do not matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for name in sorted(networks):
        for key, tensor in sorted(unwrap(networks[name]).state_dict().items()):
            if isinstance(tensor, Tensor):  # a module may keep state of another kind
                _add(digest, f"{name}.{key}", tensor)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().flatten()
    digest.update(flat.view(torch.uint8).numpy().tobytes())
