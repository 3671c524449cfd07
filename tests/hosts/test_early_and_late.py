"""Hosts in CUT's manner: a pass before setup(), wrappers put on after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.store_file import load_stores

Fork = Callable[..., Path]
RunFork = Callable[..., None]
Small = Callable[[str, Path], list[str]]
CHECKPOINTS = Path("checkpoints") / "run"

# The first batch of all teaches the model its shapes; then the model is set up, and its networks are wrapped.
TRAIN = [
    ("    model.setup(opt)\n", ""),
    (
        "            model.set_input(batch)\n",
        "            if epoch == opt.epoch_count and epoch_iters == opt.batch_size:\n"
        "                model.data_dependent_initialize(batch)\n"
        "                model.setup(opt)\n"
        "                model.parallelize()\n"
        "            model.set_input(batch)\n",
    ),
]
EARLY = '''
import torch

from .cycle_gan_model import CycleGANModel


def replica(module):
    made = module._replicate_for_data_parallel()
    made._parameters = module._parameters
    made._modules = {name: replica(part) for name, part in module._modules.items()}
    return made


class Replicas(torch.nn.DataParallel):
    """Calls a replica of its network, as over several devices."""

    def forward(self, *inputs):
        return replica(self.module)(*inputs)


class EarlyModel(CycleGANModel):
    def data_dependent_initialize(self, batch):
        self.set_input(batch)
        self.forward()
        self.backward_G()

    def parallelize(self):
        for name in self.model_names:
            kind = Replicas if name.startswith("G") else torch.nn.DataParallel
            setattr(self, f"net{name}", kind(getattr(self, f"net{name}")))
'''
PAIRS = ["--guide_pairs", "netG_A:netD_A:real_A:A_paths,netG_B:netD_B:real_B:B_paths"]


@pytest.fixture
def early(fork: Fork) -> Path:
    unwrap = ('net = getattr(net, "module", net)', 'net = getattr(net, "module", net)')
    return fork({"train.py": TRAIN, "models/base_model.py": [unwrap]}, {"models/early_model.py": EARLY})


@pytest.mark.parametrize("more", [[], ["--guide_concat", "alpha"], ["--guide_attention", "tam"]], ids=str)
def test_a_pass_before_setup_writes_nothing_and_the_training_after_it_is_guided_through_late_wrappers(
    early: Path, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path, more: list[str]
) -> None:
    options = [*small("guide_early", unpaired), *PAIRS, *more]
    run_fork(early / "train.py", *options, *one_epoch, "--guide_strict")
    states, facts = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [1, 1, 1], "no visit of the early pass, and all of the training"
    assert facts["A.visits"] == "3" and facts["A.steps"] == "3"
    first = next(iter(torch.load(CHECKPOINTS / "latest_net_G_A.pth", weights_only=True).values()))
    assert first.shape[1] == (4 if "alpha" in more else 3)


def test_without_attention_an_early_pass_and_late_wrappers_are_bit_equal_to_the_bare_host(
    early: Path, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path, read_weights: Any
) -> None:
    run_fork(early / "train.py", *small("early", unpaired), *one_epoch, "--checkpoints_dir", "bare")
    bare: dict[str, dict[str, Tensor]] = read_weights(Path("bare") / "run")
    none = ["--guide_attention", "none", "--dataset_mode", "unaligned"]
    run_fork(early / "train.py", *small("guide_early", unpaired), *PAIRS, *one_epoch, *none)
    guided = read_weights(CHECKPOINTS)
    assert len(bare) == 4 and list(bare) == list(guided)
    assert all(torch.equal(bare[name][key], guided[name][key]) for name in bare for key in bare[name])


def test_an_alpha_generator_begins_as_the_bare_host_does_also_after_a_pass_before_setup(
    early: Path, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path, read_weights: Any
) -> None:
    """With a learning rate of nearly nothing, the weights are those that were initialised."""
    still = [*one_epoch, "--lr", 1e-12]
    run_fork(early / "train.py", *small("early", unpaired), *still, "--checkpoints_dir", "bare")
    run_fork(early / "train.py", *small("guide_early", unpaired), *PAIRS, *still, "--guide_concat", "alpha")
    bare, guided = (
        next(iter(read_weights(path)["latest_net_G_A.pth"].values())) for path in (Path("bare") / "run", CHECKPOINTS)
    )
    assert torch.allclose(guided[:, :3], bare, atol=1e-9) and guided[:, 3:].abs().max() < 1e-9
