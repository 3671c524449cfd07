"""PyTorch-GAN, stand-ins of its scripts and real checkouts: each folder's script is guided by the names it defines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

from guidegan_plugin.diagnosis.plugins_and_host import check_host
from guidegan_plugin.errors import HostError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.families.pytorch_gan import PytorchGanHost
from guidegan_plugin.plugins.manager import create_manager

FAMILY = "pytorch_gan"
FOLDERS = ("implementations/cyclegan",)
pytestmark = pytest.mark.slow

Execute = Callable[..., Any]
Remembered = Callable[..., dict[str, tuple[Tensor, int]]]

HERE = Path(__file__).parent / "stand_ins" / FAMILY
TWO = ("G_AB", "G_BA")
# By the system: its pairs, the networks whose files the memories lie beside, and what keeps a real checkout small.
SYSTEMS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "cyclegan": (TWO, TWO, "--img_height 32 --img_width 32 --n_residual_blocks 1 --decay_epoch 1"),
    "discogan": (TWO, TWO, "--batch_size 2"),
    "dualgan": (TWO, TWO, "--batch_size 2 --n_critic 2"),
    "pix2pix": (("A",), ("generator",), "--batch_size 2"),
    "unit": (("A", "B"), ("E1", "E2"), "--dim 4 --img_height 32 --img_width 32 --decay_epoch 1"),
    "munit": (("A", "B"), ("Enc1", "Enc2"), "--dim 4 --n_residual 1 --decay_epoch 1"),
    "stargan": (
        ("A",),
        ("generator",),
        "--img_height 64 --img_width 64 --residual_blocks 1 --decay_epoch 1 --batch_size 2 --n_critic 2 "  # the least
        "--selected_attrs Black_Hair Blond_Hair Brown_Hair Male Young",
    ),
    "bicyclegan": (("A",), ("generator",), "--batch_size 2"),
}


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder for each script, as in the collection."""
    for name in SYSTEMS:
        folder = tmp_path / "checkout" / "implementations" / name
        folder.mkdir(parents=True)
        own = HERE / f"{name}.py"
        shutil.copy(own if own.is_file() else HERE / "two_domains.py", folder / f"{name}.py")
        shutil.copy(HERE / "common.py", folder)
    return tmp_path / "checkout"


@pytest.fixture
def data(tmp_path: Path, noise_image: Callable[..., None]) -> Path:
    """Six images of each kind: two domains, pairs side by side, and faces, whose last 2000 are for validation."""
    root = tmp_path / "data"
    for index in range(6):
        for number, mode in enumerate(("train", "test", "val")):
            for domain in "AB":
                seed = 20 * number + 10 * "AB".index(domain) + index
                noise_image(root / "domains" / mode / domain / f"{index}.jpg", (40, 40), seed)
            noise_image(root / "pairs" / mode / f"{index}.jpg", (80, 40), 100 + 10 * number + index)
    for index in range(12):
        noise_image(root / "faces" / f"{index:04}.jpg", (40, 40), 200 + index)
    for index in range(12, 2006):
        os.link(root / "faces" / f"{6 + index % 6:04}.jpg", root / "faces" / f"{index:04}.jpg")
    rows = [
        f"{index:04}.jpg {' '.join('1' if index >> bit & 1 else '-1' for bit in range(5))}" for index in range(2006)
    ]
    names = "Black_Hair Blond_Hair Brown_Hair Male Young"
    (root / "faces" / "attributes.txt").write_text("\n".join(["2006", names, *rows]))
    return root


@pytest.fixture
def train(execute: Execute, codebase: Any, data: Path, tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Run a system's script from a folder of its own; how it ended, and its folder of checkpoints."""

    def call(name: str, *arguments: str, run: str = "run", **options: Any) -> tuple[Any, Path]:
        host = PytorchGanHost.recognise(codebase.root / "implementations" / name)
        if host is not None and any(check.status == "failure" for check in host.checks()):
            pytest.skip("the real script fails before it trains, unless somebody has mended it")
        kind = "domains" if name in ("cyclegan", "unit") else "faces" if name == "stargan" else "pairs"
        cwd = tmp_path / run / "implementations" / name
        if not (tmp_path / run / "data").exists():
            cwd.mkdir(parents=True)
            (tmp_path / run / "data").symlink_to(data)
        script = f"implementations/{name}/{name}.py"
        more = f"--dataset_name {kind} --n_cpu 0 --checkpoint_interval 1 --sample_interval 2"
        own = [*shlex.split(SYSTEMS[name][2]), *shlex.split(more), *arguments]
        ended = execute(script, *own, cwd=cwd, **options)
        return ended, cwd / "saved_models" / ("" if name == "stargan" else kind)

    return call


@pytest.mark.parametrize("name", SYSTEMS)
def test_without_attention_it_is_bit_equal_to_the_bare_host(
    train: Any, saved_weights: Any, same_weights: Any, name: str
) -> None:
    _, bare = train(name, "--n_epochs", "2")
    _, guided = train(name, "--n_epochs", "2", run="guided", guide=["--guide_attention", "none"])
    assert same_weights(saved_weights(guided), saved_weights(bare))
    assert not list(guided.glob("*.safetensors"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_maps_are_formula_2_and_blended_at_their_next_visit(
    train: Any, tmp_path: Path, witness: ModuleType, remembered: Remembered, name: str
) -> None:
    pairs, beside, _ = SYSTEMS[name]
    concat = "rhp" if name in ("cyclegan", "dualgan") else "alpha"
    # As they were remembered: crops are undone otherwise. A script that draws its targets meets one again in time.
    guide = ["--guide_concat", concat, "--guide_align", "off", "--guide_strict"]
    epochs = 16 if name == "stargan" else 3
    ended, saved = train(name, "--n_epochs", str(epochs), guide=guide, record=tmp_path / "record.pt")
    assert "not guided" not in ended.output and "no effect" not in ended.output
    seen = witness.Witness(tmp_path / "record.pt")
    size: tuple[int, int] = (0, 0)
    for pair, network in zip(pairs, beside, strict=True):
        found = remembered(saved / f"{network}_{epochs - 1}_guide.safetensors", pair)
        assert len(found) >= 3, "of six images, drawn at random"
        for key, (stored, _) in found.items():
            file, _, label = key.partition("#")
            error, files = seen.source_of(stored)
            size = tuple(stored.shape)
            assert error <= witness.STORED and file in files, key
            assert re.fullmatch("[01]{5}" if name == "stargan" else "", label)
            assert "/val/" not in file and ("/B/" in file) == (name in ("cyclegan", "unit") and pair in ("B", "G_BA"))
    again = [blend for blend in seen.blended(alpha=concat == "alpha") if not blend.is_placeholder]
    assert again
    for blend in again:
        assert seen.nearest(blend, size) < 3e-3, blend.files


@pytest.mark.parametrize("name", ["cyclegan", "unit", "stargan"])
def test_a_training_goes_on_with_its_memory_and_new_networks(train: Any, name: str) -> None:
    pairs, beside, _ = SYSTEMS[name]
    guide = ["--guide_attention", "tam", "--guide_transfer", "conv", "--guide_strict"]
    _, saved = train(name, "--n_epochs", "2", guide=guide)
    ended, saved = train(name, "--epoch", "1", "--n_epochs", "3", guide=guide)
    assert "starts from ones" not in ended.output and "starts fresh" not in ended.output
    for pair, network in zip(pairs, beside, strict=True):
        before, after = (load_stores(saved / f"{network}_{epoch}_guide.safetensors")[1] for epoch in (1, 2))
        # Epochs 0 and 1; a resumed run trains 1 again, whose file is another then, and 2.
        assert 3 * int(after[f"{pair}.visits"]) == 4 * int(before[f"{pair}.visits"]) > 0
        assert (saved / f"{network}_2_guide_networks.safetensors").is_file()


@pytest.mark.parametrize("name", ["pix2pix", "munit"])
def test_a_dry_run_says_what_is_attached_and_seen(train: Any, name: str) -> None:
    ended, saved = train(name, "--n_epochs", "2", guide=["--guide_concat", "alpha"], dry_run=True)
    shown = " ".join(ended.output.split())
    if name == "pix2pix":
        assert "pair A generator (" in shown and "reads B, keys from the files that are opened discriminator" in shown
        assert "bound 2, read 2, judged 2 in one step on real data" in shown
    else:
        assert "pair B Enc2..Dec1 (" in shown and "bound 1, read 1, judged 1 in one step on real data" in shown
        assert "content_encoder.model.1,style_encoder.model.1 widened from 3 to 4 channels" in shown
    assert not list(saved.iterdir()) and not list(saved.parents[1].glob("images/*/*"))


def test_wrong_names_are_refused_in_one_line(train: Any) -> None:
    ended, _ = train("discogan", guide=["--guide_pairs", "G_AB:D_C:A"], fails=True)
    last = ended.output.strip().splitlines()[-1]
    assert last.startswith("guidegan: error:") and "no discriminator 'D_C'" in last and "D_B" in last


def test_a_script_that_cannot_run_as_it_comes_is_refused_with_the_line_to_mend(stand_in: Path) -> None:
    folder = stand_in / "implementations" / "bicyclegan"
    host = PytorchGanHost.recognise(folder)
    assert (
        host is not None
        and [check.name for check in host.checks()] == ["guided"]
        and host.script_arguments(["--epoch", "1"]) == ["--epoch", "1"]
    )
    (folder / "models.py").write_text("class D:\n    def __init__(self, channels):\n        self.read = in_channels\n")
    with pytest.raises(HostError, match=r"models\.py uses in_channels in line 3, which nothing there defines.*; write"):
        host.script_arguments([])
    check = next(check for check in host.checks() if check.name == "host's models.py")
    assert check.status == "failure" and "write channels in its place" in check.cure


def test_the_doctor_names_the_folders_of_a_collection_that_can_be_guided(stand_in: Path) -> None:
    [check], host = check_host(stand_in, create_manager())
    assert host is None and check.status == "failure"
    assert check.cure.startswith("give one of its folders that are (HOST_DIR): implementations/bicyclegan, implem")
    checks, host = check_host(stand_in / "implementations" / "unit", create_manager())
    told = {check.name: check.found for check in checks}
    assert host is not None and told["scripts"] == "unit.py" and told["guided"].startswith("unit.py, also with --epoch")
