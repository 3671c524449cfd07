"""Trainings of two and four processes that talk through gloo, started by torchrun as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.store_file import load_visits

pytestmark = pytest.mark.slow

HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"
TINY = "--model guide_cycle_gan --netG resnet_6blocks --ngf 2 --ndf 2 --load_size 36 --crop_size 32 --num_threads 0"
TINY += " --name run --seed 1 --guide_full_state --n_epochs_decay 0 --save_epoch_freq 1 --pool_size 2"

# What each rank runs: the training, which compares the ranks' memories after each epoch, or dies on the way.
RANK = """
import hashlib, json, os, signal, sys
from pathlib import Path
import torch.distributed as dist
from guidegan_plugin.hosts.junyanz.model import GuidedModel
from guidegan_plugin.hosts.launcher import run

dying, epoch = json.loads(sys.argv[1]), 1
end_epoch, step = GuidedModel.update_learning_rate, GuidedModel.optimize_parameters

def seen(guide):
    recalled = {key: guide.store.recall([key]) for key in sorted(guide.store)}
    return {
        key: [one.visits[0], hashlib.sha256(one.maps.numpy().tobytes() + one.views.theta.numpy().tobytes()).hexdigest()]
        for key, one in recalled.items()
    }

def compare(self):
    global epoch
    end_epoch(self)
    mine = {name: seen(guide) for name, guide in self.guides.guides.items()}
    all_of_them = [None] * dist.get_world_size()
    dist.all_gather_object(all_of_them, mine)
    assert all(one == mine for one in all_of_them), "the ranks remember different things"
    Path(f"epoch_{epoch}_of_{dist.get_rank()}.json").write_text(json.dumps(mine))
    epoch += 1

def die(self):
    step(self)
    if dying == [dist.get_rank(), epoch]:
        os.kill(os.getpid(), signal.SIGKILL)

GuidedModel.update_learning_rate, GuidedModel.optimize_parameters = compare, die
dist.destroy_process_group = dist.barrier  # gloo's threads may abort a process that ends; not what is tested here
run(Path(sys.argv[2]), sys.argv[3:])
os._exit(0)
"""


@pytest.fixture
def five(tmp_path: Path, noise_image: Callable[..., None]) -> Path:
    """Five images a domain: the sampler pads them for two ranks and for four."""
    for domain in "AB":
        for number in range(5):
            noise_image(tmp_path / "five" / f"train{domain}" / f"{number}.png", (40, 36), number)
    return tmp_path / "five"


@pytest.fixture
def ranks(tmp_path: Path, five: Path, warm_python: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Train in so many processes."""

    def train(count: int, epochs: int, *more: str, dying: Any = None) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "rank.py"
        script.write_text(RANK)
        launch = f"-m torch.distributed.run --standalone --nproc_per_node={count}".split()
        options = ["--dataroot", str(five), *TINY.split(), "--n_epochs", str(epochs), *more]
        return subprocess.run(
            [warm_python, *launch, str(script), json.dumps(dying), str(HOST / "train.py"), *options],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON_EXEC": warm_python},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return train


def visits(run: Path) -> dict[str, int]:
    """How often each image of A was visited. Partners of B are drawn by chance; there are as many visits of theirs."""
    found = load_visits(run / "latest_guide.safetensors")
    assert sum(found["B"].values()) == sum(found["A"].values())
    return found["A"]


def times(number: int) -> dict[str, int]:
    """Every image of A so often."""
    return {f"trainA/{image}.png": number for image in range(5)}


@pytest.mark.parametrize(("count", "store"), [(2, "memory"), (4, "memory"), (2, "mmap")])
def test_after_each_epoch_all_ranks_remember_the_same_and_what_one_process_would(
    ranks: Callable[..., Any], run_host: Callable[..., None], five: Path, tmp_path: Path, count: int, store: str
) -> None:
    ended = ranks(count, 2, "--guide_store", store)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert len(list(tmp_path.glob("epoch_2_of_*.json"))) == count
    run_host("train.py", "--dataroot", five, *TINY.split(), "--n_epochs", 2, "--checkpoints_dir", "alone")
    alone, together = Path("alone") / "run", tmp_path / "checkpoints" / "run"
    assert visits(together) == visits(alone) == times(2)


def test_a_rank_that_dies_ends_the_run_and_the_training_goes_on_with_any_number_of_ranks(
    ranks: Callable[..., Any], run_host: Callable[..., None], five: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    ended = ranks(2, 2, dying=[1, 2])
    assert ended.returncode != 0 and time.monotonic() - began < 200, "an error, and no hang"
    run = tmp_path / "checkpoints" / "run"
    assert visits(run) == times(1), "the first epoch is there, whole"
    state = torch.load(run / "latest_guide_state.pth", weights_only=True)
    assert state["epochs"] == 1
    run_host("train.py", "--dataroot", five, *TINY.split(), "--n_epochs", 2, "--continue_train")
    assert visits(run) == times(2)
    ended = ranks(4, 3, "--continue_train")
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert visits(run) == times(3)


def test_two_ranks_with_the_same_seed_make_the_same_weights_twice(
    ranks: Callable[..., Any], tmp_path: Path, read_weights: Callable[[Path], dict[str, dict[str, Tensor]]]
) -> None:
    for folder in ("one", "other"):
        ended = ranks(2, 1, "--checkpoints_dir", folder)
        assert ended.returncode == 0, ended.stderr[-3000:]
    one, other = (read_weights(tmp_path / folder / "run") for folder in ("one", "other"))
    assert len(one) == 4
    assert all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])
    assert visits(tmp_path / "one" / "run") == visits(tmp_path / "other" / "run") == times(1)


def test_ranks_that_share_maps_on_the_disk_end_where_those_with_memories_of_their_own_do(
    ranks: Callable[..., Any], tmp_path: Path, read_weights: Callable[[Path], dict[str, dict[str, Tensor]]]
) -> None:
    for store in ("memory", "mmap"):
        for more in (["--n_epochs", "2"], ["--n_epochs", "3", "--continue_train"]):
            ended = ranks(2, 2, "--checkpoints_dir", store, "--guide_store", store, *more)
            assert ended.returncode == 0, ended.stderr[-3000:]
    one, other = (read_weights(tmp_path / folder / "run") for folder in ("memory", "mmap"))
    assert all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])
    assert visits(tmp_path / "memory" / "run") == visits(tmp_path / "mmap" / "run") == times(3)
