from __future__ import annotations

import pytest
import torch

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.store import AttentionStore


@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 0.5 / 255), ("float16", 5e-4), ("float32", 0.0)])
def test_a_map_is_read_as_it_was_written_up_to_the_precision(dtype: str, tolerance: float) -> None:
    store, maps = AttentionStore(dtype=dtype), torch.rand(3, 1, 5, 7)
    store.write(["a", "b", "c"], maps)
    read, visited = store.read(["c", "a"])
    assert (read - maps[[2, 0]]).abs().max() <= tolerance + 1e-7
    assert read.dtype is torch.float32 and visited.tolist() == [True, True]


def test_an_image_never_visited_gets_ones_and_says_so() -> None:
    store = AttentionStore()
    assert store.read(["a"])[0].shape == (1, 1, 1, 1)
    store.write(["a"], torch.zeros(1, 1, 3, 3))
    maps, visited = store.read(["b", "a"])
    assert maps.shape == (2, 1, 3, 3) and visited.tolist() == [False, True]
    assert (maps[0] == 1).all() and (maps[1] == 0).all()


def test_the_newest_visit_wins_and_visits_are_counted_once() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 3, 3), View.identity())
    store.write(["a"], torch.ones(1, 1, 3, 3), View.crop((0, 0), (1, 1), (2, 2)))
    store.write(["a"], torch.full((1, 1, 3, 3), 0.5), None, first=False)
    record = store.record("a")
    assert record is not None and record.visits == 2 and record.view is None
    assert (store.read(["a"])[0] == 0.5).all()


def test_it_grows_past_its_first_allocation_and_keeps_everything() -> None:
    store = AttentionStore(dtype="float32")
    maps = torch.rand(300, 1, 2, 2)
    for start in range(0, 300, 7):
        keys = [str(index) for index in range(start, min(start + 7, 300))]
        store.write(keys, maps[start : start + 7])
    assert len(store) == 300 and store.nbytes == 300 * 4 * 4
    assert torch.equal(store.read([str(index) for index in range(300)])[0], maps)


def test_an_image_of_a_new_size_moves_and_frees_its_place() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 2, 2))
    store.write(["a"], torch.ones(1, 1, 4, 4))
    store.write(["b"], torch.full((1, 1, 2, 2), 0.25))
    maps, _ = store.read(["a", "b"])
    assert maps.shape == (2, 1, 4, 4) and (maps[0] == 1).all() and (maps[1] == 0.25).all()
    assert store.nbytes == (16 + 4) * 4


def test_views_are_remembered_and_unknown_ones_are_the_whole_image() -> None:
    store, view = AttentionStore(), View.crop((1, 2), (3, 3), (9, 9), flip=True)
    assert store.views(["a"]) is None
    store.write(["a"], torch.rand(1, 1, 2, 2), view)
    views = store.views(["b", "a"])
    assert views is not None
    assert torch.equal(views.theta, torch.cat([View.identity().theta, view.theta]))


def test_state_round_trips_bit_for_bit_through_sizes_views_and_odd_keys() -> None:
    store = AttentionStore()
    store.write(["trainA/ä b.png", "x"], torch.rand(2, 1, 3, 5), View.identity(2))
    store.write(["y/🦓"], torch.rand(1, 1, 2, 2))
    store.write(["x"], torch.rand(1, 1, 3, 5), View.identity())
    copy = AttentionStore()
    copy.load_state(store.state(), torch.device("cpu"))
    for name, tensor in store.state().items():
        assert torch.equal(
            copy.state()[name].nan_to_num(-9) if name == "views" else copy.state()[name],
            tensor.nan_to_num(-9) if name == "views" else tensor,
        ), name
    assert set(copy) == {"trainA/ä b.png", "x", "y/🦓"} and copy.record("x").visits == 2  # type: ignore[union-attr]


def test_an_empty_store_has_a_state() -> None:
    copy = AttentionStore()
    copy.load_state(AttentionStore().state(), torch.device("cpu"))
    assert len(copy) == 0 and copy.nbytes == 0
