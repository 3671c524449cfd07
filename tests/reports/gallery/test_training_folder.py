from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.statistics import statistics
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.hosts.junyanz.run_folder import read_run
from guidegan_plugin.hosts.junyanz.training_folder import read_memories, read_pages, sources_of

LEFT = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])


def save(run: Path, epoch: str, *stores: AttentionStore) -> None:
    run.mkdir(exist_ok=True)
    states = {name: store.state() for name, store in zip("AB", stores, strict=False)}
    save_stores(run / f"{epoch}_guide.safetensors", states, {"config": json.dumps({"concat": "alpha"})})


def test_maps_of_fixed_images_are_shown_over_epochs_with_visits_and_age(tmp_path: Path) -> None:
    store = AttentionStore()
    store.write(["a.png", "b.png"], LEFT.repeat(2, 1, 1, 1))
    save(tmp_path, "2", store)
    store.write(["a.png"], 1 - LEFT)
    save(tmp_path, "10", store)
    save(tmp_path, "latest", store)
    memories = read_memories(tmp_path)
    a, b = memories.samples
    assert (a.visits, a.age, b.visits, b.age) == (2, 0, 1, 8)
    assert list(a.epochs) == ["2", "10"], "latest is epoch 10 again"
    assert np.array_equal(a.epochs["10"]["attention map"], np.array([[0, 255], [0, 255]]))
    assert (memories.concat, a.group) == ("alpha", "memory")


def test_the_age_is_by_all_stores_though_twenty_are_shown(tmp_path: Path) -> None:
    store = AttentionStore()
    for epoch in range(1, 51):
        visited = {"often.png"} | ({"once.png"} if epoch <= 32 else set()) | ({"late.png"} if epoch >= 49 else set())
        store.write(sorted(visited), LEFT.repeat(len(visited), 1, 1, 1))
        save(tmp_path, str(epoch), store)
    save(tmp_path, "latest", store)
    samples = read_memories(tmp_path).samples
    assert {sample.name: sample.age for sample in samples} == {"often.png": 0, "once.png": 18, "late.png": 0}
    assert len(samples[0].epochs or samples[1].epochs) == 20


def test_an_older_training_of_that_name_makes_nothing_older(tmp_path: Path) -> None:
    for epoch, visits in (("1", 1), ("2", 3), ("3", 1)):
        store = AttentionStore()
        for _ in range(visits):
            store.write(["a.png"], LEFT)
        save(tmp_path, epoch, store)
    (sample,) = read_memories(tmp_path).samples
    assert sample.age == 0


def test_the_images_of_a_training_whose_checkpoints_are_a_link_to_another_drive_are_found(tmp_path: Path) -> None:
    host, drive = tmp_path / "a host", tmp_path / "drive"
    for folder in (host / "datasets", drive / "run"):
        folder.mkdir(parents=True)
    (host / "datasets" / "a.png").touch()
    (host / "checkpoints").symlink_to(drive)
    (drive / "run" / "train_opt.txt").write_text("dataroot: ./datasets \t[default: None]\n")
    assert sources_of(host / "checkpoints" / "run").find("a.png") == host / "datasets" / "a.png"


def test_entropy_is_that_of_the_memory_whatever_crop_it_was_seen_under(tmp_path: Path) -> None:
    maps, store = torch.rand(1, 1, 7, 9, generator=torch.Generator().manual_seed(0)), AttentionStore()
    store.write(["a.png"], maps, View.crop((3, 2), (8, 8), (16, 16), flip=True))
    save(tmp_path, "1", store)
    (sample,) = read_memories(tmp_path).samples
    assert sample.entropy == pytest.approx(statistics(store)["entropy"], abs=1e-6)


def test_a_map_is_shown_in_its_images_own_frame(tmp_path: Path) -> None:
    store = AttentionStore()
    store.write(["a.png"], LEFT, View.crop((0, 0), (4, 4), (4, 4), flip=True))
    save(tmp_path, "1", store)
    (sample,) = read_memories(tmp_path).samples
    assert np.array_equal(sample.pictures["attention map"], np.array([[0, 255], [0, 255]]))
    assert sample.epochs == {} and sample.age is None


@pytest.mark.parametrize(
    ("mode", "direction", "crop"),
    [("guide_unaligned", "AtoB", None), ("aligned", "AtoB", 0), ("guide_aligned", "BtoA", 1)],
)
def test_source_images_are_found_by_the_options_of_the_training(
    tmp_path: Path, noise_image: Callable[..., None], mode: str, direction: str, crop: int | None
) -> None:
    noise_image(tmp_path / "data" / "train" / "a.png", (8, 4), 0)
    run = tmp_path / "checkpoints" / "x"
    run.mkdir(parents=True)
    (run / "train_opt.txt").write_text(
        f"----\n   dataroot: data         \t[default: None]\n  dataset_mode: {mode}   \n direction: {direction}\n"
    )
    store = AttentionStore()
    store.write(["train/a.png", "train/gone.png"], LEFT.repeat(2, 1, 1, 1))
    save(run, "1", store, store)
    here, gone = read_memories(run).samples[:2]
    assert here.group == "memory, A → B"
    assert here.pictures["input"] == tmp_path / "data" / "train" / "a.png" and here.crop == crop
    assert list(gone.pictures) == ["attention map"]


def test_of_a_large_memory_a_hundred_images_are_shown(tmp_path: Path) -> None:
    store = AttentionStore()
    store.write([f"{number}.png" for number in range(250)], LEFT.repeat(250, 1, 1, 1))
    save(tmp_path, "1", store)
    names = [sample.name for sample in read_memories(tmp_path).samples]
    assert len(names) == 100 and (names[0], names[-1]) == ("0.png", "249.png")


def test_a_torn_store_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "1_guide.safetensors").write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"1_guide\.safetensors is torn"):
        read_memories(tmp_path)


def test_a_hosts_pages_are_a_sample_an_epoch(tmp_path: Path, write_results: Callable[..., Path]) -> None:
    write_results(tmp_path / "web", ["epoch001", "epoch002"], ("real_A", "attention_A", "fake_B", "idt_B"))
    samples = read_pages(tmp_path)
    assert [(sample.name, sample.group) for sample in samples] == [("epoch001", "pages"), ("epoch002", "pages")]
    assert list(samples[0].pictures) == ["input", "attention map", "output", "idt_B"]


def test_a_run_of_somebody_elses_shows_no_picture_from_outside_its_data(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    data.mkdir()
    for path in (tmp_path / "secret.png", data / "a.png"):
        Image.new("RGB", (4, 4)).save(path)
    (data / "link.png").symlink_to(tmp_path / "secret.png")
    keys = ["a.png", "link.png", "../secret.png", str(tmp_path / "secret.png"), "a" * 300, "/dev/zero"]
    store = AttentionStore()
    store.write(keys, LEFT.repeat(len(keys), 1, 1, 1))
    save(run, "1", store)
    (run / "train_opt.txt").write_text(f"dataroot: {data}\n")
    shown = {sample.name: sample.pictures.get("input") for sample in read_memories(run).samples}
    assert shown == {**dict.fromkeys(keys), "a.png": data / "a.png"}


def test_a_run_of_somebody_elses_shows_none_of_its_links_out_of_it(tmp_path: Path) -> None:
    run, images = tmp_path / "run", tmp_path / "run" / "images"
    images.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    for visual in ("real_A", "fake_B"):
        Image.new("RGB", (4, 4)).save(images / f"1_{visual}.png")
        (images / f"2_{visual}.png").symlink_to(tmp_path / "secret.png")
        os.mkfifo(images / f"3_{visual}.png")
    assert [sample.name for sample in read_run(run).samples] == ["1"]
    (tmp_path / "mine").mkdir()
    images.rename(tmp_path / "mine" / "images")
    images.symlink_to(tmp_path / "mine" / "images")
    assert not read_run(run).samples, "nor does a whole folder lead out of it"


@pytest.mark.parametrize("text", ["\n" * 1_000_000, " " * 1_000_000, "dataroot: " + " " * 1_000_000 + "["])
def test_options_that_nobody_wrote_take_no_time(tmp_path: Path, text: str) -> None:
    store = AttentionStore()
    store.write(["a.png"], LEFT)
    save(tmp_path, "1", store)
    (tmp_path / "train_opt.txt").write_text(text * 2)
    begun = time.perf_counter()
    assert len(read_memories(tmp_path).samples) == 1
    assert time.perf_counter() - begun < 30
