"""A resumed training repeats no epoch and loses none, wherever the host steps its schedule and saves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from guidegan_plugin.guidance.memory.store_file import load_stores

Small = Callable[[str, Path], list[str]]
CHECKPOINTS = Path("checkpoints") / "run"

STEP = "        model.update_learning_rate()\n"
SAVE = (
    "        if epoch % opt.save_epoch_freq == 0:\n"
    '            model.save_networks("latest")\n'
    "            model.save_networks(epoch)\n"
)
BEGIN = "        epoch_iters = 0\n"
FIRST = "            model.set_input(batch)\n"
EARLY = (
    FIRST,
    "            if epoch == opt.epoch_count and epoch_iters == opt.batch_size:\n"
    "                model.set_input(batch)\n"
    "                model.forward()\n"
    "                model.setup(opt)\n" + FIRST,
)
PLACES = {
    "behind the save": [(STEP + SAVE, SAVE + STEP)],  # CUT, BicycleGAN
    "at the start": [(STEP, ""), (BEGIN, BEGIN + STEP)],  # the classic generation
    "after a setup within the loop": [(STEP + SAVE, SAVE + STEP), ("    model.setup(opt)\n", ""), EARLY],  # CUT
}


@pytest.mark.slow_but_first
@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler:UserWarning")  # the classic hosts do
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("policy", ["linear", "step"])
def test_with_the_full_state_a_resumed_run_is_bit_equal_wherever_the_schedule_steps(
    fork: Callable[..., Path],
    run_fork: Callable[..., None],
    small: Small,
    unpaired: Path,
    read_weights: Any,
    place: str,
    policy: str,
) -> None:
    root = fork({"train.py": PLACES[place]})
    epochs = ["--n_epochs", 1, "--n_epochs_decay", 2, "--lr_policy", policy, "--lr_decay_iters", 1]
    options = [*small("guide_cycle_gan", unpaired), *epochs, "--pool_size", 2, "--guide_full_state"]
    run_fork(root / "train.py", *options, "--save_epoch_freq", 1, "--checkpoints_dir", "whole")
    shutil.copytree(Path("whole") / "run", CHECKPOINTS)
    for path in [*CHECKPOINTS.glob("latest_*"), *CHECKPOINTS.glob("3_*")]:
        path.unlink()
    run_fork(root / "train.py", *options, "--continue_train", "--epoch", 2, "--seed", 99)
    resumed, whole = read_weights(CHECKPOINTS), read_weights(Path("whole") / "run")
    assert list(resumed) == list(whole) and len(whole) == 4
    assert all(torch.equal(resumed[name][key], whole[name][key]) for name in whole for key in whole[name])
    one, other = (load_stores(run / "latest_guide.safetensors")[0]["A"] for run in (Path("whole") / "run", CHECKPOINTS))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_validation_between_steps_does_not_count_into_the_epoch(
    fork: Callable[..., Path], run_fork: Callable[..., None], small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    optimize = "            model.optimize_parameters()\n"
    validate = "            for _ in range(3):\n                model.set_input(batch)\n                model.test()\n"
    root = fork({"train.py": [(optimize, optimize + validate)]})
    options = [*small("guide_cycle_gan", unpaired), *one_epoch, "--guide_full_state", "--save_latest_freq", 1]
    run_fork(root / "train.py", *options, "--save_by_iter", "--guide_strict")
    epochs = [
        torch.load(CHECKPOINTS / f"iter_{step}_guide_state.pth", weights_only=True)["epochs"] for step in (1, 2, 3)
    ]
    assert epochs == [0, 0, 1]
    assert load_stores(CHECKPOINTS / "latest_guide.safetensors")[0]["A"]["visits"].tolist() == [1, 1, 1]
