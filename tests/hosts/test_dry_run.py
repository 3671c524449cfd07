"""A dry run trains a real step on real data, and says what it saw."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.junyanz.dry_run import DryRun
from guidegan_plugin.hosts.real_step import PATIENCE
from guidegan_plugin.plugins.host import DryRunFinished, NotGuided

Small = Callable[[str, Path], list[str]]
Fork = Callable[..., Path]
SEEN = "bound 1, read 1, judged 1 in one step on real data"


def seen(facts: list[tuple[str, str]]) -> list[str]:
    return [text for label, text in facts if label == "seen"]


def everything(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)


def test_each_pairs_images_are_counted_and_files_and_random_numbers_are_left_alone(
    fork: Fork, in_host: Callable[[], None], small: Small, unpaired: Path
) -> None:
    root = fork({})
    before = everything(Path()), random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    facts = launcher.dry_run(root / "train.py", [*small("guide_cycle_gan", unpaired), "--continue_train"])
    assert seen(facts) == [SEEN, SEEN]
    assert everything(Path()) == before[0] and random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2] and torch.equal(torch.get_rng_state(), before[3])


def test_a_pair_that_is_not_guided_is_an_error_with_its_cause_and_a_cure(
    fork: Fork,
    guidegan: Callable[..., int | str],
    in_host: None,
    small: Small,
    paired: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit = ("self.netG(self.real_A)", "self.netG(self.real_A * 1.0)")
    root = fork({"models/pix2pix_model.py": [edit]})
    ended = guidegan("run", "--dry-run", root / "train.py", *small("guide_pix2pix", paired))
    printed = capsys.readouterr()
    assert ended != 0
    told = f"{ended} {printed.err}"
    assert "pair A is not guided: in a real step it was called with a tensor (1, 3, 128, 128)" in told
    assert "--guide_pairs" in told and "bound 1, read 0, judged 0 in one step on real data" in printed.out


@pytest.mark.parametrize("way", ["fused", "foreach", "a copy", "rate of 0"])
def test_an_update_is_seen_whatever_way_an_optimizer_takes(make_generator: Callable[[], nn.Module], way: str) -> None:
    generator = make_generator()
    rate = 0.0 if way == "rate of 0" else 1e-3
    optimizer = torch.optim.Adam(generator.parameters(), rate, fused=way == "fused", foreach=way == "foreach")
    seen = SimpleNamespace(shape=(1,), seen=SimpleNamespace(), judged=False, maps=None, fakes=[], judgements=[])
    binding = SimpleNamespace(current=lambda name: seen)
    guides: Any = SimpleNamespace(
        model=SimpleNamespace(opt=SimpleNamespace(), isTrain=True),
        active=True,
        guides={"A": SimpleNamespace(name="A", binding=binding)},
        pairs=[SimpleNamespace(stages=[SimpleNamespace(path="netG")])],
        network=lambda path: generator,
    )
    dry = DryRun(guides)
    with dry.step():  # D's alone
        pass
    assert dry._missed == 0
    for step in range(1, PATIENCE):  # the last of them would end the script
        with dry.step():
            optimizer.zero_grad()
            generator(torch.rand(1, 3, 8, 8)).sum().backward()
            if way == "a copy":
                for weight in generator.parameters():
                    weight.data = weight.data - 1e-3
                optimizer.zero_grad()
            else:
                optimizer.step()
        assert dry._missed == step


def test_a_generator_that_is_not_updated_in_every_step_is_waited_for(
    fork: Fork, in_host: None, small: Small, paired: Path
) -> None:
    late = (
        "        self.set_requires_grad(self.netD, False)\n",
        "        self.steps = getattr(self, 'steps', 0) + 1\n"
        "        if self.steps < 3:\n            return\n"
        "        self.set_requires_grad(self.netD, False)\n",
    )
    root = fork({"models/pix2pix_model.py": [late]})
    facts = launcher.dry_run(root / "train.py", small("guide_pix2pix", paired))
    assert seen(facts) == [SEEN]


def test_a_training_that_ends_its_epoch_unguided_says_so(fork: Fork, in_host: None, small: Small, paired: Path) -> None:
    root = fork({"models/pix2pix_model.py": [("self.netG(self.real_A)", "self.netG(self.real_A * 1.0)")]})
    with pytest.raises(NotGuided, match="pair A is not guided"):
        launcher.dry_run(root / "train.py", [*small("guide_pix2pix", paired), "--max_dataset_size", "1"])


def test_the_hosts_own_loader_makes_the_batch(fork: Fork, in_host: None, small: Small, paired: Path) -> None:
    collate = (
        "            num_workers=opt.num_threads,\n",
        "            num_workers=opt.num_threads,\n            collate_fn=lambda items: Own(items),\n",
    )
    own = (
        "class CustomDatasetDataLoader:\n",
        "class Own(dict):\n    def __init__(self, items):\n"
        "        super().__init__(torch.utils.data.default_collate(items))\n        self.own = True\n\n\n"
        "class CustomDatasetDataLoader:\n",
    )
    root = fork(
        {
            "data/__init__.py": [collate, own, ("import argparse\n", "import argparse\nimport torch\n")],
            "models/pix2pix_model.py": [("        a, b = ", "        assert input.own\n        a, b = ")],
        }
    )
    assert seen(launcher.dry_run(root / "train.py", small("guide_pix2pix", paired))) == [SEEN]


def test_a_script_that_is_started_plainly_ends_with_the_cause_and_not_with_0() -> None:
    assert DryRunFinished([]).code == 0
    assert DryRunFinished([], "pair A is not guided").code == "guidegan: error: pair A is not guided"
