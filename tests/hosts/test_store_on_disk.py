"""``--guide_store mmap`` in whole trainings: what comes out is what ``memory`` gives, and every reader reads it."""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.state_dict import unpack
from guidegan_plugin.guidance.memory.store_file import load_stores

Run = Callable[..., None]
Command = Callable[..., int | str]
Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
Make = Callable[..., nn.Module]

RUN = Path("checkpoints") / "run"
HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"
MMAP = ("--guide_store", "mmap")
EPOCHS = [
    "--n_epochs",
    "1",
    "--n_epochs_decay",
    "1",
    "--save_epoch_freq",
    "1",
    "--pool_size",
    "2",
    "--guide_full_state",
]

# A training that kills itself when the maps of its second epoch are saved and its networks are not renamed yet.
DIES = """
import os, signal
from pathlib import Path
from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.junyanz.memory_file import MemoryFile
save, left = MemoryFile.save, 3  # latest and 1, then latest
def saving(self, *args):
    global left
    save(self, *args)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
MemoryFile.save = saving
os.chdir({folder!r})
launcher.run(Path({script!r}), {options!r})
"""


@pytest.fixture
def options(small: Small, unpaired: Path) -> list[str]:
    return [*small("guide_cycle_gan", unpaired), *EPOCHS]


def memory_of(folder: Path, entry: str = "latest_guide.safetensors") -> dict[str, dict[str, tuple[Tensor, Any, int]]]:
    states, _ = load_stores(folder / entry)
    return {
        pair: {
            one.key: (one.map, None if one.view is None else one.view.theta.tolist(), one.visits)
            for one in unpack(state)
        }
        for pair, state in states.items()
    }


def assert_same_memory(one: Path, other: Path) -> None:
    left, right = memory_of(one), memory_of(other)
    assert left.keys() == right.keys() and all(left[pair].keys() == right[pair].keys() != set() for pair in left)
    for pair, images in left.items():
        for key, (maps, view, visits) in images.items():
            assert torch.equal(maps, right[pair][key][0]) and (view, visits) == right[pair][key][1:]


@pytest.mark.slow
def test_a_training_that_is_resumed_gives_the_same_weights_and_maps_as_in_main_memory(
    run_host: Run, options: list[str], read_weights: Read
) -> None:
    for store in ("memory", "mmap"):
        folder = ("--checkpoints_dir", store, "--guide_store", store, "--guide_dropout", 0.3)
        run_host("train.py", *options, *folder)
        run_host("train.py", *options, *folder, "--continue_train", "--n_epochs_decay", 2)
    memory, mmap = Path("memory") / "run", Path("mmap") / "run"
    one, other = read_weights(memory), read_weights(mmap)
    assert list(one) == list(other) and len(one) == 4
    assert all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])
    assert_same_memory(memory, mmap)
    assert len(list(mmap.glob("*.sqlite"))) == 2, "one a pair, whatever the number of epochs"
    assert (mmap / "latest_guide.safetensors").stat().st_size < 4000


@pytest.mark.slow
def test_a_training_killed_between_its_maps_and_its_networks_is_resumed_and_says_that_maps_are_newer(
    run_host: Run, options: list[str], tmp_path: Path, warm_python: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    script = folder / "dies.py"
    words = [*options, *MMAP]
    script.write_text(DIES.format(folder=str(folder), script=str(HOST / "train.py"), options=words))
    assert subprocess.run([warm_python, str(script)], timeout=300).returncode == -signal.SIGKILL
    with caplog.at_level(logging.WARNING):
        run_host("train.py", *words, "--continue_train", "--checkpoints_dir", folder / "checkpoints")
    assert "was written with save 1" in caplog.text and "the newer ones are taken" in caplog.text
    visits = {one[2] for one in memory_of(folder / "checkpoints" / "run")["A"].values()}
    assert visits == {3}, "two visits were saved, and the second epoch was done again"


@pytest.mark.slow
def test_what_reads_a_memory_reads_one_on_the_disk(
    run_host: Run, options: list[str], guidegan: Command, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    run_host("train.py", *options, *MMAP)
    moved = tmp_path / "moved"
    shutil.copytree("checkpoints", moved)
    shutil.rmtree("checkpoints")
    there = moved / "run"
    testing = [*options[: options.index("--n_epochs")], "--checkpoints_dir", str(moved), *MMAP]
    run_host("test.py", *testing, "--guide_test_map", "mean", "--no_dropout")
    run_host("test.py", *testing, "--guide_refine", 1, "--no_dropout")
    assert guidegan("predict-maps", there, "--passes", 1, "--quiet") == 0
    run_host("test.py", *testing, "--guide_test_map", "predict", "--no_dropout")
    assert guidegan("gallery", there, "--quiet") == 0
    assert 'data-visits="2"' in (there / "gallery" / "index.html").read_text()
    assert guidegan("bake", there / "latest_net_G_A.pth", "--out", "baked.pth") == 0
    assert "save 1" not in caplog.text
    run_host("train.py", *options, *MMAP, "--continue_train", "--epoch", 1, "--checkpoints_dir", moved)
    assert "1_guide.safetensors was written with save 1" in caplog.text, "an older epoch"


def test_a_dry_run_says_that_the_maps_lie_on_the_disk(
    run_host: Run, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run_host("train.py", *options, *MMAP, dry_run=True)
    assert "on the disk" in capsys.readouterr().out


def test_an_attached_pair_saves_and_loads_and_refuses_other_networks(
    tmp_path: Path, make_generator: Make, make_discriminator: Make
) -> None:
    networks = make_generator(), make_discriminator()
    path, images = tmp_path / "1_guide.safetensors", torch.rand(2, 3, 32, 32)
    with attach(*networks, GuideConfig(store="mmap")) as guide:
        for _ in range(2):
            guide.bind(images, ["a", "b"])
            networks[1](networks[0](images)).mean().backward()
        maps, _ = guide.maps(["a", "b"])
        guide.save(path)
        assert torch.equal(guide.maps(["a", "b"])[0], maps)
        assert guide.statistics()["visits"] == 4
    with attach(*networks, GuideConfig(store="mmap")) as guide:
        guide.load(path)
        assert torch.equal(guide.maps(["a", "b"])[0], maps)
    with attach(*networks) as guide:  # in main memory
        guide.load(path)
        assert torch.equal(guide.maps(["a", "b"])[0], maps)
    others = make_generator(), make_discriminator()
    with attach(*others, GuideConfig(store="mmap")) as guide, pytest.raises(StoreError, match="other weights"):
        guide.load(path)


@pytest.mark.slow_but_first
def test_a_class_of_a_host_goes_on_with_its_memory(guidegan: Command, toy: Path) -> None:
    for options in (["--epochs", 2], ["--epochs", 3, "--resume", 2]):
        torch.manual_seed(0)
        assert guidegan("run", toy / "train.py", "--out", "run", *options, *MMAP) == 0
    states, facts = load_stores(Path("run/3_guide.safetensors"))
    assert states["A"]["visits"].tolist() == [3] * 6 and facts["A.steps"] == "9"
    assert len(list(Path("run").glob("*.sqlite"))) == 1
