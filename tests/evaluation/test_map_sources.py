from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import ConfigError, DataError, StoreError
from guidegan_plugin.evaluation.map_sources import SeenMap, in_image, maps_in_folder, maps_in_store, store_files
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.guidance.memory.view import View


def save_store(path: Path, keys: list[str], view: View | None, pairs: tuple[str, ...] = ("A",)) -> torch.Tensor:
    maps = torch.rand(len(keys), 1, 4, 4)
    store = AttentionStore(dtype="float32")
    store.write(keys, maps, view)
    save_stores(path, {pair: store.state() for pair in pairs}, {})
    return maps


@pytest.mark.parametrize("flip", [False, True])
def test_a_map_is_laid_where_its_visit_saw_the_image(flip: bool) -> None:
    one = torch.rand(1, 4, 4)
    view = View.crop((2, 1), (4, 4), (8, 8), flip=flip)
    attention, shown = in_image(SeenMap("a", one, view), (8, 8))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:5, 2:6] = True
    assert torch.equal(shown, expected)
    torch.testing.assert_close(attention[1:5, 2:6], one[0].flip(1) if flip else one[0])


def test_a_map_without_a_view_covers_the_whole_image() -> None:
    one = torch.rand(1, 3, 5)
    attention, shown = in_image(SeenMap("a", one), (12, 20))
    expected = torch.nn.functional.interpolate(one[None], size=(12, 20), mode="bilinear", align_corners=False)
    assert shown.all()
    torch.testing.assert_close(attention, expected[0, 0])


def test_stores_come_by_epoch_numbers_first(tmp_path: Path) -> None:
    for epoch in ("100", "20", "latest", "5"):
        save_store(tmp_path / f"{epoch}_guide.safetensors", ["a.png"], None)
    (tmp_path / "latest_net_G.pth").touch()
    (tmp_path / "._5_guide.safetensors").write_bytes(b"a note of macOS")
    assert list(store_files([tmp_path])) == ["5", "20", "100", "latest"]
    assert list(store_files([tmp_path / "20_guide.safetensors"])) == ["20"]
    with pytest.raises(ConfigError, match="both of epoch 20; change --store"):
        store_files([tmp_path, tmp_path / "20_guide.safetensors"])
    with pytest.raises(ConfigError, match=r"is no store and no folder of .*; change --store"):
        store_files([tmp_path / "nowhere"])


def test_a_store_s_maps_come_with_stem_and_view(tmp_path: Path) -> None:
    view = View.stack([View.identity(), View.crop((0, 0), (4, 4), (8, 8))])
    maps = save_store(tmp_path / "1_guide.safetensors", ["trainA/b_A.jpg", "trainA/a_A.jpg"], view)
    seen = maps_in_store(tmp_path / "1_guide.safetensors", suffix="_A")
    assert [one.stem for one in seen] == ["b", "a"]
    assert torch.equal(torch.stack([one.map for one in seen]), maps)
    assert seen[1].view is not None
    assert torch.equal(seen[1].view.theta, view.theta[1:])


def test_a_pair_is_asked_for_where_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "1_guide.safetensors"
    save_store(path, ["a.jpg"], View.identity(), ("A", "B"))
    assert len(maps_in_store(path, "B")) == 1
    for pair in (None, "C"):
        with pytest.raises(ConfigError, match=f"holds pairs A, B, asked for {pair}; change --pair"):
            maps_in_store(path, pair)


def test_unknown_views_warn_and_what_is_no_store_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "1_guide.safetensors"
    save_store(path, ["a.jpg", "b.jpg"], None)
    with caplog.at_level(logging.WARNING):
        maps_in_store(path)
    assert "does not say how 2 of 2 images were cropped" in caplog.text
    with pytest.raises(ConfigError, match=r"a\.jpg, whose name does not end with _A; change --suffix"):
        maps_in_store(path, suffix="_A")
    path.write_bytes(b"torn")
    with pytest.raises(StoreError, match="torn"):
        maps_in_store(path)


def test_a_store_that_never_saw_an_image_is_refused(tmp_path: Path) -> None:
    save_stores(tmp_path / "0_guide.safetensors", {"A": AttentionStore().state()}, {})
    with pytest.raises(ConfigError, match="holds no map of pair A"):
        maps_in_store(tmp_path / "0_guide.safetensors")


def test_maps_of_a_folder_are_gray_images(tmp_path: Path) -> None:
    gray = np.array([[0, 255], [51, 102]], dtype=np.uint8)
    Image.fromarray(gray).save(tmp_path / "a_attention_A.png")
    Image.fromarray(np.stack([gray] * 3, axis=-1)).save(tmp_path / "b_attention_A.png")
    seen = list(maps_in_folder(tmp_path))
    assert [one.stem for one in seen] == ["a", "b"]
    for one in seen:
        torch.testing.assert_close(one.map, torch.tensor([[[0, 1], [0.2, 0.4]]]))
    Image.fromarray(np.stack([gray, gray, 0 * gray], axis=-1)).save(tmp_path / "c_attention_A.png")
    with pytest.raises(DataError, match=r"c_attention_A\.png is in colour"):
        list(maps_in_folder(tmp_path))


def test_two_images_of_one_name_in_a_store_are_refused(tmp_path: Path) -> None:
    save_store(tmp_path / "1_guide.safetensors", ["trainA/x/1.jpg", "trainA/y/1.jpg"], None)
    with pytest.raises(ConfigError, match=r"several images of the name 1, .*; change --store"):
        maps_in_store(tmp_path / "1_guide.safetensors")


def test_nobody_is_told_to_delete_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights of somebody")
    with pytest.raises(StoreError, match=r"model.safetensors is torn or not a store \(.*\); change --store$"):
        maps_in_store(tmp_path / "model.safetensors")


def test_epochs_whose_maps_were_written_over_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DiskStore()
    for epoch in (1, 2):
        store.write(["a.png"], torch.full((1, 1, 2, 2), epoch / 2))
        path = tmp_path / f"{epoch}_guide.safetensors"
        save_stores(path, {"A": store.save(tmp_path, "A", path, "path=")}, {})
    with caplog.at_level(logging.WARNING):
        assert list(store_files([tmp_path])) == ["2"]
    assert "epochs 1 are left out" in caplog.text
    path.write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"torn or not a store .*; change --store$"):
        store_files([tmp_path])


def test_torn_maps_on_the_disk_are_refused_with_the_cure_of_this_command(tmp_path: Path) -> None:
    (store := DiskStore()).write(["a.png"], torch.ones(1, 1, 2, 2))
    path = tmp_path / "1_guide.safetensors"
    save_stores(path, {"A": store.save(tmp_path, "A", path, "path=")}, {})
    del store
    next(tmp_path.glob("*.sqlite")).write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"change --store$"):
        maps_in_store(path)
