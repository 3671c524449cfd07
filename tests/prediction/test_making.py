"""Predictors: made of a memory and its images, better than the mean map, resumed where they were cut off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from guidegan_plugin import cli
from guidegan_plugin.errors import ConfigError, DataError, StoreError
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.test_time.predictor_file import load_predictors, predictor_path
from guidegan_plugin.plugins.sources import Sources
from guidegan_plugin.prediction import making
from guidegan_plugin.prediction.examples import as_visited, correlation, mean_of, mean_seen_under
from guidegan_plugin.prediction.learning import Learning
from guidegan_plugin.prediction.making import make_predictors, passes_for, store_of

SIDE, CROP, CELLS = 40, 32, 4
FACTS = {"A.digest": "a" * 64, "A.visits": "60", "A.image": f"3x{CROP}x{CROP}", "A.cells": f"{CELLS}x{CELLS}"}


def remembered(folder: Path, count: int = 60, digest: str = "a" * 64) -> Path:
    """Images of a bright square on noise; what is remembered is where it was in a crop, mirrored half of the time."""
    draw = np.random.default_rng(0)
    store = AttentionStore()
    for number in range(count):
        pixels = draw.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8)
        top, left = draw.integers(0, SIDE - 12, 2)
        pixels[top : top + 12, left : left + 12] = (250, 200, 30)
        name = f"trainA/{number:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
        x, y = draw.integers(0, SIDE - CROP + 1, 2).tolist()
        flip = bool(number % 2)
        inside = np.zeros((SIDE, SIDE), np.float32)
        inside[top : top + 12, left : left + 12] = 1
        seen = inside[y : y + CROP, x : x + CROP]
        seen = np.ascontiguousarray(seen[:, ::-1]) if flip else seen
        cell = CROP // CELLS
        cells = seen.reshape(CELLS, cell, CELLS, cell).mean((1, 3))
        view = View.crop((x, y), (CROP, CROP), (SIDE, SIDE), flip)
        store.write([name], torch.from_numpy(cells / cells.max())[None, None], view)
    path = folder / "latest_guide.safetensors"
    save_stores(path, {"A": store.state(), "B": AttentionStore().state()}, {**FACTS, "A.digest": digest})
    return path


def weights(store: Path) -> dict[str, Tensor]:
    return load_predictors(predictor_path(store), store)["A"][0].state_dict()


def test_a_predictor_beats_the_mean_map_on_images_held_out(tmp_path: Path) -> None:
    store = remembered(tmp_path)
    path, found = make_predictors(store, Sources([tmp_path]), passes=30)
    assert path == predictor_path(store) == tmp_path / "latest_guide_predictor.safetensors"
    told = found["A"]
    assert set(found) == {"A"} and (told.images, told.held_out) == (54, 6)
    assert told.correlation > 0.8 > told.mean_correlation + 0.3
    assert [file.name for file in tmp_path.glob("*predictor*")] == [path.name], "nothing unfinished stays"
    network, again = load_predictors(path, store)["A"]
    assert again == told and network.seen == (CROP, CROP) and network.cells == (CELLS, CELLS)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_what_a_visit_showed_is_cut_out_of_the_image() -> None:
    draw = np.random.default_rng(0)
    smooth = Image.fromarray(draw.integers(0, 255, (5, 5, 3), dtype=np.uint8)).resize(
        (80, 80), Image.Resampling.BICUBIC
    )
    view = View.crop((16, 8), (40, 40), (80, 80), flip=True)
    found = as_visited(smooth, view, (40, 40)).float()
    wanted = np.asarray(smooth.crop((16, 8, 56, 48)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)).transpose(2, 0, 1)
    assert (found - torch.from_numpy(wanted.copy()).float()).abs().max() <= 3
    assert as_visited(smooth.convert("L"), None, (10, 20)).shape == (1, 10, 20)


def test_a_run_that_was_cut_off_goes_on_and_ends_as_one_that_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole, cut = remembered(tmp_path / "whole", 20), remembered(tmp_path / "cut", 20)
    make_predictors(whole, Sources([tmp_path / "whole"]), passes=6)
    own, passes = Learning.one_pass, [0]

    def stop(self: Learning, groups: Sequence[making.Group]) -> None:
        if passes[0] == 3:
            raise KeyboardInterrupt
        passes[0] += 1
        own(self, groups)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Learning, "one_pass", stop)
        make_predictors(cut, Sources([tmp_path / "cut"]), passes=6)
    assert not predictor_path(cut).exists()
    unfinished = tmp_path / "cut" / "latest_guide_predictor_unfinished.safetensors"
    assert unfinished.exists() and "_guide.safetensors" not in unfinished.name
    torch.manual_seed(9)
    make_predictors(cut, Sources([tmp_path / "cut"]), passes=6)
    assert "pair A goes on after pass 3 of 6" in caplog.text and not unfinished.exists()
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(cut).items())


def test_a_store_that_is_written_over_meanwhile_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = remembered(tmp_path / "one", 20), remembered(tmp_path / "other", 20)
    wanted = make_predictors(store, Sources([tmp_path / "one"]), passes=2)[1]
    own = Learning.one_pass

    def write_over(self: Learning, groups: Sequence[making.Group]) -> None:
        content = other.read_bytes()
        with other.open("r+b") as file:
            file.write(bytes(len(content)))
        own(self, groups)

    monkeypatch.setattr(Learning, "one_pass", write_over)
    assert make_predictors(other, Sources([tmp_path / "other"]), passes=2)[1] == wanted


def test_what_was_left_of_another_memory_or_torn_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = remembered(tmp_path, 20)
    (tmp_path / "latest_guide_predictor_unfinished.safetensors").write_bytes(b"torn")
    make_predictors(store, Sources([tmp_path]), passes=2)
    assert "is torn or of another training, so predictors are made from the start" in caplog.text


def test_predictors_that_are_there_are_left_alone_and_those_of_other_weights_are_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = remembered(tmp_path, 20)
    path, first = make_predictors(store, Sources([tmp_path]), passes=2)
    content = path.read_bytes()
    assert make_predictors(store, Sources([tmp_path]), passes=3)[1] == first and path.read_bytes() == content
    assert "is there already, made of the same memory; delete it" in caplog.text
    remembered(tmp_path, 20, "b" * 64)
    make_predictors(store, Sources([tmp_path]), passes=2)
    assert path.read_bytes() != content


def test_making_them_draws_no_random_number_of_anybodys(tmp_path: Path) -> None:
    store = remembered(tmp_path, 6)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    make_predictors(store, Sources([tmp_path]), passes=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_images_are_named_and_an_empty_memory_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = remembered(tmp_path, 4)
    with pytest.raises(
        DataError, match=r"pair A: of 4 images .* 0 are there \(such as trainA/000.png.*; change --data"
    ):
        make_predictors(store, Sources([tmp_path / "elsewhere"]))
    (tmp_path / "trainA" / "001.png").unlink()
    make_predictors(store, Sources([tmp_path]), passes=1)
    assert "pair A: 1 of 4 images are missing, such as trainA/001.png" in caplog.text
    (tmp_path / "trainA" / "002.png").write_bytes(b"no image")
    predictor_path(store).unlink()
    with pytest.raises(DataError, match=r"002.png is no readable image.*change --data"):
        make_predictors(store, Sources([tmp_path]), passes=1)
    empty = tmp_path / "1_guide.safetensors"
    save_stores(empty, {"A": AttentionStore().state()}, {})
    with pytest.raises(StoreError, match=r"1_guide.safetensors remembers no map; change CKPT or --epoch"):
        make_predictors(empty, Sources([tmp_path]))


def test_a_checkpoint_is_a_store_or_a_folder_and_an_epoch(tmp_path: Path) -> None:
    store = remembered(tmp_path, 2)
    assert store_of(store, "7") == store_of(tmp_path, "latest") == store
    with pytest.raises(ConfigError, match=r"holds no 7_guide.safetensors \(epochs there are: latest\); .*--epoch"):
        store_of(tmp_path, "7")
    with pytest.raises(ConfigError, match="does not exist; change CKPT"):
        store_of(tmp_path / "nothing", "latest")


@pytest.mark.parametrize(
    "name", ["latest_net_G_A.pth", "latest_guide_predictor.safetensors", "G_guide_networks.safetensors"]
)
def test_a_file_that_is_no_store_is_not_said_to_be_one_that_may_be_deleted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(
        ConfigError, match=rf"{name} is no store, <epoch>_guide.safetensors; change CKPT, to its folder"
    ):
        store_of(tmp_path / name, "latest")
    own = tmp_path / "my_guide_1.safetensors"
    own.touch()
    assert store_of(own, "latest") == own, "a store may have any name"


def test_what_a_predictor_cannot_be_made_of_or_on_is_said_before_images_are_read(tmp_path: Path) -> None:
    store = remembered(tmp_path, 1)
    with pytest.raises(DataError, match=r"remembers 1 image, at least 2 are needed.*change CKPT or --epoch"):
        make_predictors(store, Sources([tmp_path]))
    for device in ("meta", "gpu0"):
        with pytest.raises(ConfigError, match=rf"nothing can be trained on {device} \(.*\); change --device"):
            make_predictors(store, Sources([tmp_path]), device=device)
    states, facts = load_stores(store)
    save_stores(store, states, {**facts, "A.image": "6x32x32"})
    with pytest.raises(ConfigError, match=r"pair A translates images of 6 channels.*--guide_test_map to mean"):
        make_predictors(store, Sources([tmp_path]))


def test_maps_of_one_cell_are_refused_as_nothing_could_be_predicted(tmp_path: Path) -> None:
    remembered(tmp_path, 4)
    store = AttentionStore()
    for number in range(4):
        store.write([f"trainA/{number:03d}.png"], torch.ones(1, 1, 1, 1))
    save_stores(path := tmp_path / "latest_guide.safetensors", {"A": store.state()}, FACTS)
    with pytest.raises(ConfigError, match=r"pair A: every map of .* \(1 x 1 cells\).*--guide_layer"):
        make_predictors(path, Sources([tmp_path]))
    assert not predictor_path(path).exists()


def test_passes_are_few_for_many_images_and_many_for_few() -> None:
    assert [passes_for(count) for count in (5, 60, 1000, 4000)] == [80, 80, 16, 10]


def test_correlation_is_pearsons_and_constant_maps_have_none() -> None:
    torch.manual_seed(0)
    one, other = torch.rand(3, 1, 4, 5), torch.rand(3, 1, 4, 5)
    other[2] = 0.5
    found = correlation(one, other)
    for row in range(2):
        wanted = np.corrcoef(one[row].flatten().double(), other[row].flatten().double())[0, 1]
        assert float(found[row]) == pytest.approx(wanted, abs=1e-12)
    assert found[2].isnan() and mean_of([found]) == pytest.approx(float(found[:2].mean()))
    assert mean_of([found[2:]]) == 0


def test_the_mean_map_is_compared_where_each_visit_saw_it(tmp_path: Path) -> None:
    states, _ = load_stores(remembered(tmp_path, 8))
    mean = mean_map(states["A"])
    entries = [entry for entry in making.unpack(states["A"]) if entry.view is not None]
    assert mean is not None
    seen = mean_seen_under(mean, entries)
    assert seen[0].shape == (1, CELLS, CELLS) and not torch.allclose(seen[0], seen[1])


def test_a_pair_saved_side_by_side_is_read_from_its_own_half(tmp_path: Path) -> None:
    store = AttentionStore()
    for number in range(3):
        left, right = np.full((16, 16, 3), 10, np.uint8), np.full((16, 16, 3), 200, np.uint8)
        Image.fromarray(np.hstack([left, right])).save(tmp_path / f"{number}.png")
        store.write([f"{number}.png"], torch.rand(1, 1, 2, 2))
    path = tmp_path / "latest_guide.safetensors"
    save_stores(path, {"A": store.state(), "B": store.state()}, {})
    states, _ = load_stores(path)
    sides = Sources([tmp_path], lambda pair: int(pair == "B"))
    for pair, wanted in (("A", 10), ("B", 200)):
        maker = making._Maker(making._find(states[pair], sides, pair, path), states[pair], {}, pair, 1, "cpu")
        assert (maker.groups[0].images == wanted).all()


def test_the_command_prints_both_correlations_and_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = remembered(tmp_path, 20)
    words = ["guidegan", "predict-maps", str(tmp_path), "--data", str(tmp_path), "--passes", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--json", str(tmp_path / "out.json")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr().out
    assert not ended.value.code and "predicted map" in out and "mean map" in out
    assert "--guide_test_map predict" in out
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["predictor"] == str(predictor_path(store)) and told["pairs"]["A"]["held_out"] == 2
    monkeypatch.setattr("sys.argv", ["guidegan", "predict-maps", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit, match=r"nothing does not exist; change CKPT$"):
        cli.main()


def test_a_predictor_and_its_network_have_few_weights() -> None:
    network: nn.Module = making.MapPredictor(3, (31, 31), (256, 256))
    assert sum(parameter.numel() for parameter in network.parameters()) < 150_000
