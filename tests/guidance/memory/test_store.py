from __future__ import annotations

import pytest
import torch

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.store import AttentionStore


@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 0.5 / 255), ("float16", 5e-4), ("float32", 0.0)])
def test_a_map_is_read_as_it_was_written_up_to_the_precision(dtype: str, tolerance: float) -> None:
    store, maps = AttentionStore(dtype=dtype), torch.rand(3, 1, 5, 7)
    store.write(["a", "b", "c"], maps)
    read = store.recall(["c", "a"])
    assert (read.maps - maps[[2, 0]]).abs().max() <= tolerance + 1e-7
    assert read.maps.dtype is torch.float32 and read.visited == [True, True]


def test_an_image_never_visited_gets_ones_and_says_so() -> None:
    store = AttentionStore()
    assert store.recall(["a"]).maps.shape == (1, 1, 1, 1)
    store.write(["a"], torch.zeros(1, 1, 3, 3))
    recalled = store.recall(["b", "a"])
    maps = recalled.maps
    assert maps.shape == (2, 1, 3, 3) and recalled.visited == [False, True]
    assert (maps[0] == 1).all() and (maps[1] == 0).all()


def test_the_newest_visit_wins_and_visits_are_counted_once() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 3, 3), View.identity())
    store.write(["a"], torch.ones(1, 1, 3, 3), View.crop((0, 0), (1, 1), (2, 2)))
    store.write(["a"], torch.full((1, 1, 3, 3), 0.5), None, first=False)
    recalled = store.recall(["a"])
    assert recalled.visits == (2,) and recalled.views is None and (recalled.maps == 0.5).all()


def test_it_grows_past_its_first_allocation_and_keeps_everything() -> None:
    store = AttentionStore(dtype="float32")
    maps = torch.rand(300, 1, 2, 2)
    for start in range(0, 300, 7):
        keys = [str(index) for index in range(start, min(start + 7, 300))]
        store.write(keys, maps[start : start + 7])
    assert len(store) == 300 and store.nbytes == 300 * 4 * 4
    assert torch.equal(store.recall([str(index) for index in range(300)]).maps, maps)


def test_an_image_of_a_new_size_moves_and_frees_its_place() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 2, 2))
    store.write(["a"], torch.ones(1, 1, 4, 4))
    store.write(["b"], torch.full((1, 1, 2, 2), 0.25))
    maps = store.recall(["a", "b"]).maps
    assert maps.shape == (2, 1, 4, 4) and (maps[0] == 1).all() and (maps[1] == 0.25).all()
    assert store.nbytes == (16 + 4) * 4


def test_views_are_remembered_and_unknown_ones_are_the_whole_image() -> None:
    store, view = AttentionStore(), View.crop((1, 2), (3, 3), (9, 9), flip=True)
    assert store.recall(["a"]).views is None
    store.write(["a"], torch.rand(1, 1, 2, 2), view)
    views = store.recall(["b", "a"]).views
    assert views is not None
    assert torch.equal(views.theta, torch.cat([View.identity().theta, view.theta]))


def test_a_batch_is_recalled_at_once_with_ages_visits_and_views() -> None:
    store, view = AttentionStore(dtype="float32"), View.crop((1, 2), (3, 3), (9, 9))
    store.write(["a", "b"], torch.zeros(2, 1, 2, 2), View.identity(2))
    store.write(["a"], torch.ones(1, 1, 2, 2), view)
    recalled = store.recall(["b", "a", "new"])
    assert recalled.maps.mean((1, 2, 3)).tolist() == [0, 1, 1]
    assert recalled.ages == (2, 1, None) and recalled.visits == (1, 2, 0) and recalled.visited == [True, True, False]
    assert recalled.views is not None
    assert torch.equal(recalled.views.theta, torch.cat([View.identity().theta, view.theta, View.identity().theta]))


def test_maps_of_several_sizes_are_recalled_in_the_batchs_order() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["small"], torch.full((1, 1, 2, 2), 0.25))
    store.write(["large", "larger"], torch.tensor([0.5, 0.75])[:, None, None, None].expand(-1, 1, 4, 4))
    maps = store.recall(["larger", "new", "small", "large", "small"]).maps
    assert maps.shape == (5, 1, 4, 4) and maps.mean((1, 2, 3)).tolist() == [0.75, 1, 0.25, 0.5, 0.25]


def test_of_an_image_that_is_in_a_batch_twice_the_last_map_and_view_are_kept() -> None:
    store, views = AttentionStore(), View.stack([View.crop((0, 0), (1, 1), (2, 2)), View.identity()])
    store.write(["a", "a"], torch.stack([torch.zeros(1, 3, 3), torch.ones(1, 3, 3)]), views)
    recalled = store.recall(["a", "a"])
    assert (recalled.maps == 1).all() and recalled.visits == (2, 2)
    assert torch.equal(recalled.views.theta, View.identity(2).theta)  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [2, 100], ids=["some wait", "many were written"])
def test_maps_that_wait_are_read_and_packed_as_those_that_are_stored(size: int) -> None:
    store, maps = AttentionStore(), torch.rand(size, 1, 3, 3)
    for row in range(size):
        store.write([str(row)], maps[row : row + 1])
    stored = (maps * 255).round().to(torch.uint8)
    assert torch.equal(store.state()["maps.3x3"], stored)
    store.write(["0", "new"], torch.stack([maps[1], maps[0]]))
    assert torch.equal(store.recall(["new", "0"]).maps, stored[:2].float() / 255)
    store.write(["0"], maps[:1])
    store.write(["0"], maps[1:2])
    assert torch.equal(next(store.chunks())[0], stored[1].float() / 255)


def test_a_place_that_changes_hands_while_maps_wait_belongs_to_the_newest() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 2, 2))
    store.write(["a"], torch.ones(1, 1, 4, 4))  # frees the first place
    store.write(["b"], torch.full((1, 1, 2, 2), 0.25))
    assert (store.recall(["b"]).maps == 0.25).all() and (store.recall(["a"]).maps == 1).all()


def test_what_is_recalled_does_not_change_with_later_visits() -> None:
    store = AttentionStore(dtype="float32")
    store.write(["a"], torch.zeros(1, 1, 2, 2))
    recalled = store.recall(["a"]).maps
    store.write(["a"], torch.ones(1, 1, 2, 2))
    assert (store.recall(["a"]).maps == 1).all() and (recalled == 0).all()


def test_a_remembered_view_holds_no_file_of_a_loaders_worker() -> None:
    store, theta = AttentionStore(), View.identity().theta.share_memory_()
    store.write(["a"], torch.ones(1, 1, 3, 3), View(theta))
    views = store.recall(["a"]).views
    assert theta.is_shared() and views is not None and not views.theta.is_shared()


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
    assert set(copy) == {"trainA/ä b.png", "x", "y/🦓"} and copy.recall(["x"]).visits == (2,)


def test_an_empty_store_has_a_state() -> None:
    copy = AttentionStore()
    copy.load_state(AttentionStore().state(), torch.device("cpu"))
    assert len(copy) == 0 and copy.nbytes == 0


def test_seen_and_unseen_images_are_recalled_whatever_pytorchs_default_dtype_is() -> None:
    store = AttentionStore()
    store.write(["a"], torch.rand(1, 1, 4, 4))
    torch.set_default_dtype(torch.float64)
    try:
        assert store.recall(["a", "b"]).maps.dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
