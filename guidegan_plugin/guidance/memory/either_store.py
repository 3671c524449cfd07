"""What a guide asks of its memory, whether the maps lie in main memory or on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.store import AttentionStore


def make_store(kind: str, device: str, dtype: str) -> AttentionStore:
    """The memory that ``store`` asks for.

    Args:
        kind: ``"memory"`` or ``"mmap"``.
        device: As :class:`AttentionStore`.
        dtype: As :class:`AttentionStore`.

    Raises:
        ConfigError: As :class:`DiskStore`.
    """
    return (DiskStore if kind == "mmap" else AttentionStore)(device, dtype)


def some_of(store: AttentionStore) -> dict[str, Tensor]:
    """What a memory holds, of one on the disk of evenly chosen images: enough for their mean."""
    return store.sample() if isinstance(store, DiskStore) else store.state()


def state_to_save(
    store: AttentionStore, folder: Path, pair: str, source: Path, cure: str = "path="
) -> Mapping[str, Tensor]:
    """What belongs into a store's file; a memory on the disk saves its maps now, so what is remembered is safe.

    Args:
        store: The memory.
        folder: Where the store's file is to lie in the end.
        pair: Name of the pair.
        source: The store's file.
        cure: What the user can change to write it elsewhere, for the error.

    Raises:
        StoreError: As :meth:`DiskStore.save`.
    """
    return store.save(folder, pair, source, cure) if isinstance(store, DiskStore) else store.state()


def load_into(store: AttentionStore, state: Mapping[str, Tensor], device: torch.device) -> None:
    """Take up a memory, whether it lies in a store's file or on the disk beside one.

    Args:
        store: Takes it up.
        state: As ``load_stores`` read it.
        device: As :meth:`AttentionStore.load_state`.

    Raises:
        StoreError: As :meth:`AttentionStore.load_state` and :meth:`DiskState.open`.
    """
    if isinstance(state, DiskState) and not isinstance(store, DiskStore):
        state = state.whole()
    store.load_state(state, device)
