"""A memory on the disk beside one in main memory: the same visits for both, saves, loads, and what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores

CPU = torch.device("cpu")
ENTRY = "latest_guide.safetensors"


def visit(stores: Sequence[AttentionStore], keys: Sequence[str], seed: int, side: int = 5) -> None:
    """Read and write a batch, in each store the same."""
    draw = torch.Generator().manual_seed(seed)
    maps = torch.rand(len(keys), 1, side, side, generator=draw)
    view = None if seed % 3 == 0 else View.stack([View.crop((seed % 7, 1), (20, 20), (30, 30))] * len(keys))
    recalled = [store.recall(keys) for store in stores]
    for store, found in zip(stores, recalled, strict=True):
        assert torch.equal(found.maps, recalled[0].maps)
        assert (found.ages, found.visits) == (recalled[0].ages, recalled[0].visits)
        store.write(keys, maps, view)


def save(store: DiskStore, folder: Path, entry: str = ENTRY) -> DiskState:
    """Save a memory of a pair A into a folder."""
    state = store.save(folder, "A", folder / entry, "path=")
    save_stores(folder / entry, {"A": state}, {"A.digest": "weights"})
    return state


def load(folder: Path, entry: str = ENTRY) -> DiskStore:
    """What a training that goes on there is given."""
    store = DiskStore()
    store.load_state(load_stores(folder / entry)[0]["A"], CPU)
    return store


def same(store: AttentionStore, other: AttentionStore) -> None:
    """Nothing that can be asked tells one from the other."""
    assert sorted(store) == sorted(other) and len(store) == len(other)
    keys = sorted(other)
    found, wanted = store.recall(keys), other.recall(keys)
    assert torch.equal(found.maps, wanted.maps) and found.visits == wanted.visits
    assert (found.views is None) == (wanted.views is None)
    assert found.views is None or torch.equal(found.views.theta, wanted.views.theta)


def maps_file(folder: Path) -> Path:
    """The only file of maps in a folder."""
    (path,) = folder.glob("*.sqlite")
    return path
