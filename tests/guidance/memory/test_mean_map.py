"""The mean map against sums made by hand in float64."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.digests import checksum
from guidegan_plugin.guidance.memory.mean_map import mean_map, with_mean
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores
from guidegan_plugin.guidance.memory.view import View

Array = npt.NDArray[np.float64]


def read_at(one: Array, y: float, x: float) -> float:
    """A map at a place in [-1, 1], bilinear between the centres of cells, its border continued."""
    height, width = one.shape
    row = min(max((y + 1) * height / 2 - 0.5, 0), height - 1)
    column = min(max((x + 1) * width / 2 - 0.5, 0), width - 1)
    top, left = math.floor(row), math.floor(column)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = row - top, column - left
    upper = one[top, left] * (1 - across) + one[top, right] * across
    lower = one[below, left] * (1 - across) + one[below, right] * across
    return float(upper * (1 - down) + lower * down)


def by_hand(maps: list[Array], views: list[Array], size: tuple[int, int]) -> Array:
    """Each cell: the mean of the maps whose visit showed its centre, else the mean of all that was shown."""
    height, width = size
    total, count = np.zeros(size), np.zeros(size)
    for one, theta in zip(maps, views, strict=True):
        inverse = np.linalg.inv(np.vstack([theta, [0, 0, 1]]))
        for row in range(height):
            for column in range(width):
                place = inverse @ [(2 * column + 1) / width - 1, (2 * row + 1) / height - 1, 1]
                if max(abs(place[0]), abs(place[1])) <= 1 + 1e-9:
                    total[row, column] += read_at(one, place[1], place[0])
                    count[row, column] += 1
    return np.where(count > 0, total / np.maximum(count, 1), total.sum() / count.sum())


def crop(left: int, top: int, flip: bool = False, side: int = 16, whole: int = 32) -> View:
    return View.crop((left, top), (side, side), (whole, whole), flip)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_maps_are_moved_back_before_they_are_averaged_and_cells_nobody_saw_do_not_count(dtype: str) -> None:
    torch.manual_seed(0)
    store = AttentionStore(dtype=dtype)
    views = [crop(0, 0), crop(3, 5, flip=True), crop(7, 2), crop(2, 9, flip=True)]  # nobody sees the lower right corner
    maps = torch.rand(4, 1, 5, 5)
    for number, (one, view) in enumerate(zip(maps, views, strict=True)):
        store.write([f"{number}.png"], one[None], view)
    state = store.state()
    kept = state["maps.5x5"].double() / (255 if dtype == "uint8" else 1)
    wanted = by_hand([one[0].numpy() for one in kept], [v.theta[0].double().numpy() for v in views], (10, 10))
    found = mean_map(state)
    assert found is not None and found.dtype == torch.float32
    assert found.shape == (1, 10, 10)  # crops of half the image: twice as many cells
    np.testing.assert_allclose(found[0].double().numpy(), wanted, atol=2e-6)
    assert len(np.unique(wanted[-1, -4:])) == 1


def test_whole_images_of_several_sizes_are_averaged_at_the_size_of_most() -> None:
    torch.manual_seed(0)
    store = AttentionStore(dtype="float32")
    many, few = torch.rand(3, 1, 4, 6), torch.rand(2, 1, 12, 7)
    store.write(["a", "b"], few)
    store.write(["c", "d", "e"], many)
    found = mean_map(store.state())
    assert found is not None and found.shape == (1, 4, 6)
    every = [one[0].double().numpy() for one in [*many, *few]]
    wanted = by_hand(every, [np.eye(3)[:2]] * 5, (4, 6))
    np.testing.assert_allclose(found[0].double().numpy(), wanted, atol=1e-6)


def test_of_very_many_maps_some_are_averaged_evenly_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    store, some = AttentionStore(), AttentionStore()
    views = [crop(number % 7, number % 5) for number in range(20)]
    store.write(list(map(str, range(20))), maps := torch.rand(20, 1, 5, 5), View.stack(views))
    some.write(list(map(str, range(0, 20, 3))), maps[::3], View.stack(views[::3]))
    wanted = mean_map(some.state())
    monkeypatch.setattr("guidegan_plugin.guidance.memory.mean_map.MOST", 8)
    found = mean_map(store.state())
    assert found is not None and wanted is not None and torch.equal(found, wanted)


def test_an_empty_memory_has_no_mean() -> None:
    assert mean_map(AttentionStore().state()) is None
    assert "mean" not in with_mean(AttentionStore().state())


def saved(tmp_path: Path) -> tuple[Path, AttentionStore]:
    store = AttentionStore()
    store.write(["a", "b"], torch.rand(2, 1, 7, 7), View.stack([crop(0, 0), crop(9, 9, True)]))
    path = tmp_path / "latest_guide.safetensors"
    save_stores(path, {"A": store.state(), "B": AttentionStore().state()}, {})
    return path, store


def test_a_file_keeps_the_mean_and_the_memory_reads_the_file_without_it(tmp_path: Path) -> None:
    path, store = saved(tmp_path)
    states, _ = load_stores(path)
    mean = mean_map(store.state())
    assert mean is not None and torch.equal(states["A"]["mean"], mean) and "mean" not in states["B"]
    again = AttentionStore()
    again.load_state(states["A"], torch.device("cpu"))
    assert set(again.state()) == set(store.state())


def test_a_file_of_an_older_version_lacks_the_mean_which_is_made_of_its_maps(tmp_path: Path) -> None:
    path, store = saved(tmp_path)
    with safetensors.safe_open(path, framework="pt") as file:
        facts = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys() if name != "A.mean"}  # noqa: SIM118
    del facts["sha256"]
    facts["sha256"] = checksum(tensors, facts)
    path.write_bytes(safetensors.torch.save(tensors, metadata=facts))
    older, _ = load_stores(path)
    assert "mean" not in older["A"]
    found, wanted = mean_map(older["A"]), mean_map(store.state())
    assert found is not None and wanted is not None and torch.equal(found, wanted)


@pytest.mark.parametrize("mean", [torch.full((1, 3, 3), 1.1), torch.rand(1, 3), torch.full((1, 2, 2), math.nan)])
def test_a_mean_that_is_no_map_is_refused(tmp_path: Path, mean: torch.Tensor) -> None:
    path, store = saved(tmp_path)
    save_stores(path, {"A": {**store.state(), "mean": mean}}, {})
    with pytest.raises(StoreError, match=r"latest_guide.*'mean'"):
        load_stores(path)
