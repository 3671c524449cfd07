"""Real checkouts of the family: ``GUIDEGAN_HOST_DIRS=/a/checkout:/another make test``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.installer import install, uninstall
from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost

NAMED = [Path(text) for text in os.environ.get("GUIDEGAN_HOST_DIRS", "").split(os.pathsep) if text]
HOSTS = [path for path in NAMED if JunyanzHost.recognise(path)]  # others are of tests/hosts/families
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HOSTS, reason="GUIDEGAN_HOST_DIRS names no checkout of a host"),
]

PATCH = Path(__file__).resolve().parent.parent.parent / "patches" / "guidegan.patch"
SEEDED = """
import random, sys, numpy, torch
from pathlib import Path
from guidegan_plugin.hosts.launcher import run
random.seed(1); numpy.random.seed(1); torch.manual_seed(1)
run(Path(sys.argv[1]), sys.argv[2:])
"""
Train = Callable[..., dict[str, dict[str, Tensor]]]


@pytest.fixture(params=HOSTS or [None], ids=lambda path: path.name if path else "none")
def host(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def checksum(host: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(host.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and ".git" not in path.parts:
            digest.update(str(path.relative_to(host)).encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def execute(host: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a script of the host: ``execute("train.py", "guide_cycle_gan", ...)``; ``plain`` runs a copy's without us.

    ``at`` runs another checkout's in the host's place.
    """
    known = "".join(path.read_text() for path in (host / "options").glob("*.py"))

    def call(script: str, model: str, *arguments: object, plain: Path | None = None, at: Path = host) -> None:
        paired = "pix2pix" in model
        root = request.getfixturevalue("paired" if paired else "unpaired")
        size = (
            "--netG unet_128 --load_size 140 --crop_size 128"
            if paired
            else "--netG resnet_6blocks --load_size 36 --crop_size 32"
        )
        options = f"--dataroot {root} --model {model} --ngf 4 --ndf 4 --num_threads 0 {size}"
        options += " --gpu_ids -1" if "--gpu_ids" in known else ""
        options += " --display_id -1" if "--display_id" in known and script == "train.py" else ""
        if script == "train.py":
            options += " --n_epochs 1 --n_epochs_decay 1 --save_epoch_freq 1"
            options += " --display_freq 2 --update_html_freq 2 --print_freq 2"
        command = ["-c", SEEDED, str(at / script)] if plain is None else [str(plain / script)]
        ended = subprocess.run(
            [sys.executable, *command, *options.split(), *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert ended.returncode == 0, ended.stderr[-2000:]

    return call


def weights(folder: Path) -> dict[str, dict[str, Tensor]]:
    return {path.name: torch.load(path, weights_only=True) for path in sorted(folder.glob("latest_net_*.pth"))}


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_it_trains_resumes_and_tests_without_a_file_changed(
    host: Path, execute: Callable[..., None], tmp_path: Path, model: str, concat: str
) -> None:
    before = checksum(host)
    guided = ["--name", "run", "--guide_concat", concat]
    execute("train.py", f"guide_{model}", *guided)
    run = tmp_path / "checkpoints" / "run"
    states, _ = load_stores(run / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [2, 2, 2] and states["A"]["views"].isfinite().all()
    assert states["A"]["maps.15x15" if model == "pix2pix" else "maps.3x3"].float().std() > 0
    execute("train.py", f"guide_{model}", *guided, "--continue_train")
    assert load_stores(run / "latest_guide.safetensors")[0]["A"]["visits"].tolist() == [4, 4, 4]
    execute("test.py", f"guide_{model}", *guided, "--guide_show")
    page = tmp_path / "results" / "run" / "test_latest"
    assert "attention_A" in (page / "index.html").read_text() and (page / "images" / "0_attention_A.png").exists()
    assert checksum(host) == before


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_new_networks_are_trained_saved_and_loaded_by_the_host(
    execute: Callable[..., None], tmp_path: Path, model: str
) -> None:
    execute("train.py", model, "--name", "run")
    guided = ["--name", "run", "--guide_transfer", "conv", "--guide_attention", "tam"]
    for _ in range(2):  # the first without a file of T
        execute("train.py", f"guide_{model}", *guided, "--continue_train")
        saved = weights(tmp_path / "checkpoints" / "run")
        assert all((bias != 0).any() for key, bias in saved["latest_net_T.pth"].items() if "bias" in key)
        assert (saved["latest_net_M_A.pth"]["layers.9.bias"] != 0).any()
    execute("test.py", f"guide_{model}", *guided, "--guide_show")


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
@pytest.mark.parametrize("fast", ["off", "activations"])
def test_without_attention_it_is_bit_equal_to_the_bare_host(
    execute: Callable[..., None], tmp_path: Path, model: str, fast: str
) -> None:
    norm = [] if fast == "off" else ["--norm", "instance"]  # where there are activations behind it
    execute("train.py", model, "--name", "bare", *norm)
    options = ["--guide_attention", "none", "--guide_fast", fast]
    execute("train.py", f"guide_{model}", "--name", "guided", *norm, *options)
    bare, guided = weights(tmp_path / "checkpoints" / "bare"), weights(tmp_path / "checkpoints" / "guided")
    assert len(bare) >= 2 and list(bare) == list(guided)
    for name in bare:
        assert list(bare[name]) == list(guided[name])
        assert all(torch.equal(bare[name][key], guided[name][key]) for key in bare[name]), name


@pytest.mark.parametrize("alone", [True, False], ids=["GAN", "cGAN"])
def test_gan_and_cgan_without_attention_are_bit_equal_to_the_bare_host(
    host: Path, execute: Callable[..., None], tmp_path: Path, alone: bool
) -> None:
    """The host has no GAN: in a copy of the host the discriminator is given the output alone."""
    copy = Path(shutil.copytree(host, tmp_path / "host", ignore=shutil.ignore_patterns(".git")))
    model = copy / "models" / "pix2pix_model.py"
    text = model.read_text()
    for old, new in (
        {
            "opt.input_nc + opt.output_nc": "opt.output_nc",
            "torch.cat((self.real_A, self.fake_B), 1)": "self.fake_B",
            "torch.cat((self.real_A, self.real_B), 1)": "self.real_B",
        }.items()
        if alone
        else ()
    ):
        assert old in text
        text = text.replace(old, new)
    model.write_text(text)
    options = ["--lambda_L1", 0, "--norm", "instance"]
    execute("train.py", "pix2pix", "--name", "bare", *options, at=copy)
    ours = ["--guide_attention", "none", *(["--guide_unconditional"] if alone else [])]
    execute("train.py", "guide_pix2pix", "--name", "guided", *options, *ours)
    bare, guided = weights(tmp_path / "checkpoints" / "bare"), weights(tmp_path / "checkpoints" / "guided")
    assert list(bare) == list(guided) == ["latest_net_D.pth", "latest_net_G.pth"]
    for name in bare:
        assert list(bare[name]) == list(guided[name])
        assert all(torch.equal(bare[name][key], guided[name][key]) for key in bare[name]), name


@pytest.mark.parametrize("options", [["--guide_concat", "alpha"], ["--guide_attention", "tam"], []])
def test_a_gan_is_guided_resumed_and_tested_without_a_file_changed(
    host: Path, execute: Callable[..., None], tmp_path: Path, options: list[str]
) -> None:
    before = checksum(host)
    trained = ["--name", "run", "--lambda_L1", 0, "--guide_unconditional", "--guide_strict", *options]
    execute("train.py", "guide_pix2pix", *trained)
    execute("train.py", "guide_pix2pix", *trained, "--continue_train")
    run = tmp_path / "checkpoints" / "run"
    states, _ = load_stores(run / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [4, 4, 4] and states["A"]["maps.15x15"].float().std() > 0
    channels = next(weight.shape[1] for weight in weights(run)["latest_net_D.pth"].values() if weight.dim() == 4)
    assert channels == 3, "a plain checkpoint: the channels of the output"
    execute("test.py", "guide_pix2pix", "--name", "run", *options, "--guide_show", "--guide_refine", 1)
    assert (tmp_path / "results" / "run" / "test_latest" / "images" / "0_attention_A.png").exists()
    assert checksum(host) == before


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_an_rhp_checkpoint_is_the_hosts_and_the_hosts_is_ours(
    execute: Callable[..., None], tmp_path: Path, model: str
) -> None:
    execute("train.py", f"guide_{model}", "--name", "run")
    execute("test.py", model, "--name", "run")
    execute("train.py", model, "--name", "bare")
    execute("test.py", model, "--name", "bare")
    execute(
        "test.py", f"guide_{model}", "--name", "bare", "--guide_concat", "alpha", "--results_dir", tmp_path / "alpha"
    )
    for path in (tmp_path / "results" / "bare" / "test_latest" / "images").iterdir():
        assert path.read_bytes() == (tmp_path / "alpha" / "bare" / "test_latest" / "images" / path.name).read_bytes()


@pytest.mark.parametrize("way", ["install", "patch"])
def test_with_files_added_the_plain_scripts_train_and_test_and_the_copy_is_as_before_without_them(
    host: Path, execute: Callable[..., None], tmp_path: Path, way: str
) -> None:
    copy = Path(shutil.copytree(host, tmp_path / "host", ignore=shutil.ignore_patterns(".git")))
    before = checksum(copy)

    def git(*arguments: object) -> None:
        subprocess.run(["git", *map(str, arguments)], cwd=copy, check=True, capture_output=True)

    if way == "install":
        assert {outcome for outcome, _ in install(copy)} == {"added"}
    else:
        git("init")
        git("apply", PATCH)
        assert {outcome for outcome, _ in install(copy)} == {"already there"}
    for model in ("cycle_gan", "pix2pix"):
        execute("train.py", f"guide_{model}", "--name", model, plain=copy)
        states, _ = load_stores(tmp_path / "checkpoints" / model / "latest_guide.safetensors")
        assert states["A"]["visits"].tolist() == [2, 2, 2] and states["A"]["views"].isfinite().all()
    execute("test.py", "guide_cycle_gan", "--name", "cycle_gan", "--guide_show", plain=copy)
    if way == "install":
        assert {outcome for outcome, _ in uninstall(copy)} == {"removed"}
    else:
        git("apply", "-R", PATCH)
    assert checksum(copy) == before


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_a_preset_a_fading_training_and_a_refined_test_run(
    execute: Callable[..., None], tmp_path: Path, model: str
) -> None:
    preset = "paper:cityscapes_paired" if model == "pix2pix" else "paper:cityscapes_unpaired"
    guided = ["--name", "run", "--guide_preset", preset]
    execute("train.py", f"guide_{model}", *guided, "--guide_anneal", "0:1", "--guide_dropout", 0.5)
    options = (tmp_path / "checkpoints" / "run" / "train_opt.txt").read_text()
    assert "lambda_L1: 1.0" in options if model == "pix2pix" else "lambda_A: 1.0" in options
    execute("test.py", f"guide_{model}", *guided, "--guide_refine", 2)
    assert (tmp_path / "results" / "run" / "test_latest" / "images" / "0_attention_A.png").exists()
