"""N + M epochs are N epochs, kill -9, and M epochs, bit for bit; and the same seed gives the same weights twice.

`make test` kills trainings in which every two of mechanism, concatenation, transfer block and model meet; `make full`
kills all.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from covering import covering
from torch import Tensor

from guidegan_plugin.guidance.memory.store_file import load_stores

pytestmark = pytest.mark.slow

Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
MECHANISMS = {
    "activation": [],
    "gradient": ["--guide_signal", "gradient"],
    "gradcam": ["--guide_signal", "gradcam"],
    "tam": ["--guide_attention", "tam"],
}
EVERYTHING = list(itertools.product(MECHANISMS, ("rhp", "alpha"), ("bilinear", "conv"), ("cycle_gan", "pix2pix")))
TINY = "--netG resnet_6blocks --load_size 36 --crop_size 32 --max_dataset_size 2 --pool_size 2 --guide_full_state"
EPOCHS = "--n_epochs 1 --n_epochs_decay 1 --save_epoch_freq 1"

# A training that kills itself in the middle of the step after so many.
DIES = """
import os, signal
from pathlib import Path
from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.junyanz.model import GuidedModel
step, left = GuidedModel.set_input, {steps}
def set_input(self, *args, **kwargs):
    global left
    result, left = step(self, *args, **kwargs), left - 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
GuidedModel.set_input = set_input
os.chdir({folder!r})
launcher.run(Path({script!r}), {options!r})
"""
HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"


def die_after(steps: int, options: list[str], folder: Path, python: str) -> None:
    """Train in a process that ends by SIGKILL within the step behind so many."""
    folder.mkdir()
    script = folder / "dies.py"
    script.write_text(DIES.format(steps=steps, folder=str(folder), script=str(HOST / "train.py"), options=options))
    assert subprocess.run([python, str(script)], timeout=300).returncode == -signal.SIGKILL


def assert_equal(one: Path, other: Path, read_weights: Read) -> None:
    """Weights and memories of two runs are bit-equal."""
    left, right = read_weights(one), read_weights(other)
    assert list(left) == list(right) and len(left) >= 2
    assert all(torch.equal(left[name][key], right[name][key]) for name in left for key in left[name])
    memories = [load_stores(folder / "latest_guide.safetensors")[0] for folder in (one, other)]
    for pair in memories[0]:
        for name, tensor in memories[0][pair].items():
            assert torch.equal(tensor, memories[1][pair][name]), (pair, name)


@pytest.fixture
def options(small: Small, request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    def make(model: str, *more: str) -> list[str]:
        root = request.getfixturevalue("paired" if model == "pix2pix" else "unpaired")
        return [*small(f"guide_{model}", root), *TINY.split(), *EPOCHS.split(), *more]

    return make


@pytest.mark.parametrize(("mechanism", "concat", "transfer", "model"), covering(EVERYTHING))
def test_a_killed_training_goes_on_as_if_nothing_had_been(
    run_host: Callable[..., None],
    options: Callable[..., list[str]],
    read_weights: Read,
    tmp_path: Path,
    warm_python: str,
    mechanism: str,
    concat: str,
    transfer: str,
    model: str,
) -> None:
    guided = options(model, *MECHANISMS[mechanism], "--guide_concat", concat, "--guide_transfer", transfer)
    run_host("train.py", *guided, "--checkpoints_dir", "whole")
    die_after(3, guided, tmp_path / "killed", warm_python)
    # The seed is of the start; a resumed training has its random numbers from the file.
    run_host("train.py", *guided, "--continue_train", "--checkpoints_dir", "killed/checkpoints", "--seed", 99)
    assert_equal(tmp_path / "whole" / "run", tmp_path / "killed" / "checkpoints" / "run", read_weights)


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_seed_gives_the_same_weights_and_a_resume_is_exact_also_with_workers(
    run_host: Callable[..., None], options: Callable[..., list[str]], read_weights: Read, model: str, workers: int
) -> None:
    more = [
        "--guide_signal",
        "gradcam",
        "--guide_concat",
        "alpha",
        "--guide_transfer",
        "conv",
        "--guide_dropout",
        "0.5",
    ]
    guided = [*options(model, *more), "--num_threads", str(workers)]
    for folder in ("one", "other"):
        run_host("train.py", *guided, "--checkpoints_dir", folder)
    assert_equal(Path("one") / "run", Path("other") / "run", read_weights)
    shutil.copytree("one", "resumed")
    for path in [*Path("resumed/run").glob("latest_*"), *Path("resumed/run").glob("2_*")]:
        path.unlink()
    run_host("train.py", *guided, "--continue_train", "--epoch", 1, "--seed", 99, "--checkpoints_dir", "resumed")
    assert_equal(Path("one") / "run", Path("resumed") / "run", read_weights)
