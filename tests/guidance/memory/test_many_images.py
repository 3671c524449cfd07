"""Many images: what is done for all of them is done at once, and comes out as if it were done one by one."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import guidegan_plugin
from guidegan_plugin import View
from guidegan_plugin.guidance.memory.pieces import pieces
from guidegan_plugin.guidance.memory.state_dict import unpack
from guidegan_plugin.guidance.memory.statistics import statistics
from guidegan_plugin.guidance.memory.store import AttentionStore

CPU = torch.device("cpu")
PACKAGE = str(Path(guidegan_plugin.__file__).parent)


def filled(images: int, first: int = 0) -> AttentionStore:
    """Maps of two sizes, some with a view."""
    store, maps = AttentionStore(), torch.rand(images, 1, 3, 3, generator=torch.Generator().manual_seed(first))
    for number in range(images):
        view = View.crop((number % 5, 0), (4, 4), (9, 9)) if number % 3 else None
        one = maps[number : number + 1] if number % 2 else maps[number : number + 1, :, :2]
        store.write([f"{first + number}.png"], one, view)
    return store


class Operations(TorchDispatchMode):
    """Counts tensor operations."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def counted(act: Callable[[], object]) -> tuple[int, int]:
    """Tensor operations, and calls of functions of the package, that something makes."""
    calls = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    with Operations() as operations:
        sys.setprofile(note)
        try:
            act()
        finally:
            sys.setprofile(None)
    return operations.count, calls


@pytest.mark.parametrize("act", ["state", "load", "changes", "merge", "statistics", "counts"])
def test_neither_tensor_operations_nor_calls_grow_with_the_images(act: str) -> None:
    found = []
    for images in (100, 700):
        store, other = filled(images), filled(images, first=images // 2)
        changes = [store.changes(), other.changes()]
        acts: dict[str, Callable[[], object]] = {
            "state": store.state,
            "load": partial(AttentionStore().load_state, store.state(), CPU),
            "changes": store.changes,
            "merge": partial(store.merge, changes, CPU, 0),
            "statistics": partial(statistics, store),
            "counts": partial(getattr, store, "counts"),
        }
        found.append(counted(acts[act]))
    assert found[0] == found[1]
    assert max(found[0]) < 200


def test_a_state_has_sizes_sorted_and_images_in_the_order_in_which_they_were_first_seen() -> None:
    store = AttentionStore()
    for key, height in (("c", 4), ("b", 2), ("a", 4), ("d", 2), ("c", 4)):
        store.write([key], torch.rand(1, 1, height, 3))
    copy = AttentionStore()
    copy.load_state(store.state(), CPU)
    assert list(store) == ["c", "b", "a", "d"] and list(copy) == ["b", "d", "c", "a"]
    assert list(store.state()) == ["keys", "offsets", "maps.2x3", "maps.4x3", "views", "visits"]


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_a_memory_of_another_precision_is_taken_as_if_its_maps_were_written(dtype: str) -> None:
    store, wanted, maps = AttentionStore(dtype="float32"), AttentionStore(dtype=dtype), torch.rand(5000, 1, 1, 2)
    keys = [str(number) for number in range(5000)]
    store.write(keys, maps)
    wanted.write(keys, maps)
    copy = AttentionStore(dtype=dtype)
    copy.load_state(store.state(), CPU)
    assert torch.equal(copy.state()["maps.1x2"], wanted.state()["maps.1x2"])
    merged = AttentionStore(dtype=dtype)
    merged.merge([store.changes()], CPU)
    assert torch.equal(merged.state()["maps.1x2"], wanted.state()["maps.1x2"])


def test_hundreds_of_images_of_changing_sizes_are_as_in_a_dictionary() -> None:
    draw, store, seen = random.Random(0), AttentionStore(), dict[str, Tensor]()
    for step in range(400):
        keys = [f"{draw.randrange(600)}.png" for _ in range(draw.randrange(1, 9))]
        maps = torch.full((len(keys), 1, draw.randrange(1, 4), 2), step % 256 / 255)
        store.write(keys, maps)
        seen |= dict(zip(keys, maps, strict=True))
        if step % 100 == 99:
            store.merge([store.changes()], CPU, draw.choice([0, None]))
        if step == 250:
            state, store = store.state(), AttentionStore()
            store.load_state(state, CPU)
    assert set(store) == set(seen) and store.nbytes == sum(one.numel() for one in seen.values())
    for key, wanted in seen.items():
        assert torch.equal(store.recall([key]).maps[0], wanted), key


def test_what_is_told_of_an_image_is_not_changed_by_later_visits() -> None:
    store = AttentionStore()
    store.write(["a"], torch.zeros(1, 1, 2, 2), View.identity())
    told = store.recall(["a"])
    store.write(["a"], torch.ones(1, 1, 3, 3), View.crop((0, 0), (1, 1), (2, 2)))
    assert told.maps.shape[-2:] == (2, 2) and told.visits == (1,) and not told.maps.any()
    assert told.views is not None and torch.equal(told.views.theta, View.identity().theta)


def test_no_image_at_all_is_written_and_recalled() -> None:
    store = AttentionStore()
    store.write([], torch.rand(0, 1, 2, 2))
    recalled = store.recall([])
    assert len(store) == 0 and recalled.maps.shape == (0, 1, 1, 1) and recalled.views is None
    store.merge([store.changes(), AttentionStore().changes()], CPU)
    assert len(store) == 0


def test_as_many_keys_as_maps_or_nothing_is_written() -> None:
    store = AttentionStore()
    with pytest.raises(ValueError, match="2 keys for 1 maps"):
        store.write(["a", "b"], torch.rand(1, 1, 2, 2))
    assert len(store) == 0 and not list(store.chunks())


def test_keys_that_are_no_text_stay_beside_keys_that_are() -> None:
    store, keys = AttentionStore(), ["plain.png", "caf\udce9.png", "ä/🦓.png", "", "plain2.png"]
    store.write(keys, torch.rand(5, 1, 2, 2))
    copy = AttentionStore()
    copy.load_state(store.state(), CPU)
    copy.merge([filled(3).changes(), store.changes()], CPU)
    assert list(copy) == [*keys, "0.png", "2.png", "1.png"], "new images in the order in which they are told"


def test_pieces_are_the_bytes_of_a_safetensors_file() -> None:
    tensors = {
        "b": torch.arange(6, dtype=torch.uint8).view(2, 3),
        "a": torch.rand(3, 3).half().T,
        "c": torch.rand(0, 2, 3),
        "d": torch.tensor([1 << 60]),
        "ä": torch.rand(1),
    }
    content = b"".join(pieces(tensors, {"fact": 'of "it"'}))
    found = safetensors.torch.load(content)
    assert {name: (one.dtype, one.tolist()) for name, one in found.items()} == {
        name: (one.dtype, one.tolist()) for name, one in tensors.items()
    }
    contiguous = {name: one.contiguous() for name, one in tensors.items()}
    assert len(content) == len(safetensors.torch.save(contiguous, {"fact": 'of "it"'}))


def test_some_images_of_a_state_are_unpacked_without_the_others() -> None:
    state = filled(20).state()
    every = {entry.key: entry for entry in unpack(state)}
    some = list(unpack(state, {"3.png", "4.png", "never seen"}))
    assert [entry.key for entry in some] == [key for key in every if key in ("3.png", "4.png")]
    for entry in some:
        assert torch.equal(entry.map, every[entry.key].map) and entry.visits == 1
        assert entry.view is None if entry.key == "3.png" else entry.view is not None
