"""Real checkouts of CUT, BicycleGAN and AttentionGAN: ``GUIDEGAN_FORK_DIRS=/a/cut:/b/bicycle make test``.

They train through the launcher, small and on the CPU, and no file of theirs changes.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.guidance.memory.storage import as_float
from guidegan_plugin.guidance.memory.store_file import load_stores

FORKS = [Path(text) for text in os.environ.get("GUIDEGAN_FORK_DIRS", "").split(os.pathsep) if text]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FORKS, reason="GUIDEGAN_FORK_DIRS names no checkout of a fork")]

CUT = "--model guide_cut --load_size 72 --crop_size 64 --num_patches 16 --netF_nc 16"
BICYCLE = (
    "--model guide_bicycle_gan --netG unet_128 --netD basic_128_multi --netD2 basic_128_multi --netE resnet_128 "
    "--nef 4 --load_size 140 --crop_size 128"
)
ATTENTION = "--model guide_attention_gan --load_size 72 --crop_size 64"
# As sitecustomize: whether what is shown is the first output of a call of a generator.
WITNESS = """
import atexit, pathlib, torch
from torch.nn.modules.module import register_module_forward_hook
from guidegan_plugin.guidance.calls.binding import SourceBinding

firsts, shown = [], []

def note(module, arguments, output):
    if isinstance(output, tuple) and len(output) > 20:
        firsts.append(output[0].detach().clone())

def translation(binding, pair, own=SourceBinding.translation):
    found = own(binding, pair)
    shown.append(any(found is not None and torch.equal(one, found) for one in firsts))
    return found

register_module_forward_hook(note)
SourceBinding.translation = translation
atexit.register(lambda: pathlib.Path("shown.txt").write_text(str(shown)))
"""
MODELS = {"cut": CUT, "bicycle_gan": BICYCLE, "attention_gan": ATTENTION}
SEEDED = """
import random, sys, numpy, torch
from pathlib import Path
from guidegan_plugin.hosts.launcher import run
from guidegan_plugin.hosts.legacy.stand_ins import stand_ins
random.seed(1); numpy.random.seed(1); torch.manual_seed(1)
with stand_ins():
    run(Path(sys.argv[1]), sys.argv[2:])
"""
RECORDER = Path(__file__).parent / "families" / "witness.py"
Guidegan = Callable[..., str]


def fork_with(model: str) -> Path:
    found = next((fork for fork in FORKS if (fork / "models" / f"{model}_model.py").is_file()), None)
    if found is None:
        pytest.skip(f"no checkout has a model {model}")
    return found


@pytest.fixture
def images(tmp_path: Path, noise_image: Callable[..., None]) -> Path:
    """Four images a domain for unpaired forks, and four pairs side by side."""
    splits = ("trainA", "trainB", "testA", "testB", "train", "val")
    for number, (split, index) in enumerate(itertools.product(splits, range(4))):
        noise_image(
            tmp_path / "images" / split / f"{index}.png", (280, 140) if split in splits[4:] else (80, 76), number
        )
    return tmp_path / "images"


@pytest.fixture
def guidegan_in(tmp_path: Path, images: Path) -> Guidegan:
    """``guidegan run`` on a script of a checkout, beside which nothing is written; what it prints."""
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(tmp_path / "witness")])

    def call(
        script: Path, text: str, *more: object, dry_run: bool = False, start: Sequence[object] | None = None
    ) -> str:
        before = checksum(script.parent)
        options = f"--dataroot {images} --gpu_ids -1 --ngf 4 --ndf 4 --num_threads 0 {text}".split()
        if script.name == "train.py":
            known = (script.parent / "options" / "train_options.py").read_text()
            epochs = "--n_epochs" if "--n_epochs" in known else "--niter"
            options += ["--display_id", "-1", epochs, "1", f"{epochs}_decay", "1", "--save_epoch_freq", "1"]
        # AttentionGAN imports what newer SciPy dropped.
        flags = ["--legacy", *["--dry-run"] * dry_run]
        command = [*map(str, start or ["-m", "guidegan_plugin", "run", *flags]), str(script), *options, *map(str, more)]
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert checksum(script.parent) == before
        return ended.stdout + ended.stderr

    return call


def checksum(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in ("models", "data", "options", "util"):
        for path in sorted((root / folder).rglob("*")):
            digest.update(str(path.relative_to(root)).encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def visits(run: Path, pair: str = "A") -> list[int]:
    states, facts = load_stores(run / "latest_guide.safetensors")
    assert facts[f"{pair}.visits"] == facts[f"{pair}.steps"], "every batch was judged"
    assert states[pair]["views"].isfinite().all()
    found: list[int] = states[pair]["visits"].tolist()
    return found


def weights(run: Path) -> dict[str, dict[str, Tensor]]:
    return {path.name: torch.load(path, weights_only=True) for path in sorted(run.glob("latest_net_*.pth"))}


def unwrap_checkpoints(run: Path) -> None:
    """On the CPU CUT saves the names that weights have in DataParallel, which it cannot load itself."""
    for path in run.glob("*_net_*.pth"):
        saved = torch.load(path, weights_only=True)
        torch.save({key.removeprefix("module."): weight for key, weight in saved.items()}, path)


@pytest.mark.parametrize("model", MODELS)
def test_without_attention_a_fork_is_bit_equal_to_the_bare_one(
    guidegan_in: Guidegan, tmp_path: Path, model: str
) -> None:
    script = fork_with(model) / "train.py"
    bare = MODELS[model].replace("--model guide_", "--model ")
    guidegan_in(script, bare, "--name", "bare", start=["-c", SEEDED])
    guidegan_in(script, MODELS[model], "--name", "none", "--guide_attention", "none", start=["-c", SEEDED])
    for name in ("bare", "none"):
        unwrap_checkpoints(tmp_path / "checkpoints" / name)
    one, other = (weights(tmp_path / "checkpoints" / name) for name in ("bare", "none"))
    assert list(one) == list(other) and len(one) >= 3
    assert all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])


@pytest.mark.parametrize("model", MODELS)
def test_stored_maps_are_formula_2_and_blended_at_their_next_visit(
    guidegan_in: Guidegan, tmp_path: Path, witness: ModuleType, model: str
) -> None:
    start = [RECORDER, tmp_path / "record.pt", "guided", "--legacy"]
    more = ["--guide_align", "off", "--guide_strict", "--name", "run"]
    guidegan_in(fork_with(model) / "train.py", MODELS[model], *more, start=start)
    states, _ = load_stores(tmp_path / "checkpoints" / "run" / "latest_guide.safetensors")
    seen = witness.Witness(tmp_path / "record.pt")
    for state in states.values():
        (name,) = [name for name in state if name.startswith("maps.")]
        for key, stored in zip(unpack_keys(state), as_float(state[name]), strict=True):
            error, files = seen.source_of(stored[0])
            assert error <= witness.STORED and any(file.endswith(key) for file in files), key
        size = tuple(state[name].shape[-2:])
    again = [blend for blend in seen.blended() if not blend.is_placeholder]
    assert len(again) >= 2
    for blend in again:
        assert seen.nearest(blend, size) < 3e-3, blend.files


@pytest.mark.parametrize(
    "mode", ["", "--CUT_mode FastCUT", "--nce_idt False", "--guide_concat alpha", "--guide_attention tam"]
)
def test_cut_stores_every_visit_in_each_of_its_modes(guidegan_in: Guidegan, tmp_path: Path, mode: str) -> None:
    script = fork_with("cut") / "train.py"
    assert "bound 1, read 1, judged 1" in guidegan_in(script, CUT, *mode.split(), dry_run=True)
    guidegan_in(script, CUT, *mode.split(), "--name", "run", "--guide_strict")
    assert visits(tmp_path / "checkpoints" / "run") == [2, 2, 2, 2]


def test_cut_is_tested_and_shown_and_has_a_gallery(guidegan_in: Guidegan, tmp_path: Path) -> None:
    fork = fork_with("cut")
    guidegan_in(fork / "train.py", CUT, "--name", "run")
    unwrap_checkpoints(tmp_path / "checkpoints" / "run")
    guidegan_in(fork / "test.py", CUT, "--name", "run", "--num_test", 2, "--guide_show", "--guide_refine", 1)
    results = tmp_path / "results" / "run" / "test_latest"
    assert (results / "images" / "attention_A" / "0.png").exists() and (results / "gallery" / "index.html").exists()


def test_cut_resumes_bit_equal_although_it_steps_at_the_epochs_end_and_sets_up_within_the_loop(
    guidegan_in: Guidegan, tmp_path: Path
) -> None:
    script = fork_with("cut") / "train.py"
    full = "--guide_full_state", "--guide_strict"
    guidegan_in(script, CUT, "--name", "whole", *full)
    whole, run = tmp_path / "checkpoints" / "whole", tmp_path / "checkpoints" / "run"
    unwrap_checkpoints(whole)
    shutil.copytree(whole, run)
    for path in [*run.glob("latest_*"), *run.glob("2_*")]:
        path.unlink()
    guidegan_in(script, CUT, "--name", "run", *full, "--continue_train", "--epoch", 1)
    unwrap_checkpoints(run)
    one, other = weights(whole), weights(run)
    assert list(one) == list(other) and len(one) == 3
    assert all(torch.equal(one[name][key], other[name][key]) for name in one for key in one[name])


def test_bicycle_gan_trains_with_both_judges_resumes_and_tests(guidegan_in: Guidegan, tmp_path: Path) -> None:
    fork = fork_with("bicycle_gan")
    printed = guidegan_in(fork / "train.py", BICYCLE, dry_run=True)
    assert "netD2" in printed and "bound 2, read 1, judged 1" in printed
    guidegan_in(fork / "train.py", BICYCLE, "--name", "run", "--guide_strict")
    assert sum(visits(tmp_path / "checkpoints" / "run")) == 4, "half of each batch is translated"
    more = "--continue_train", "--guide_strict"
    guidegan_in(fork / "train.py", BICYCLE, "--name", "run", *more)
    assert sum(visits(tmp_path / "checkpoints" / "run")) == 8
    tested = "--num_test", 1, "--n_samples", 1, "--guide_refine", 1, "--results_dir", tmp_path / "results"
    assert "kept translation" in guidegan_in(fork / "test.py", BICYCLE, "--name", "run", *tested)


@pytest.mark.parametrize(
    "mechanism",
    [[], ["--guide_attention", "tam"], ["--guide_signal", "gradcam"], ["--guide_signal", "gradient"]],
    ids=str,
)
def test_attention_gan_is_guided_by_its_first_output(
    guidegan_in: Guidegan, tmp_path: Path, mechanism: list[str]
) -> None:
    fork = fork_with("attention_gan")
    guidegan_in(fork / "train.py", ATTENTION, "--name", "run", "--guide_strict", *mechanism)
    run = tmp_path / "checkpoints" / "run"
    assert visits(run) == [2, 2, 2, 2] and sum(visits(run, "B")) == 8
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness" / "sitecustomize.py").write_text(WITNESS)
    guidegan_in(fork / "test.py", ATTENTION, "--name", "run", "--saveDisk", "--num_test", 1, "--guide_show", *mechanism)
    assert (tmp_path / "results" / "run" / "test_latest" / "images" / "0_attention_A.png").exists()
    assert (tmp_path / "shown.txt").read_text() == "[True, True]", "what is shown of either pair is the first output"


def test_attention_gan_goes_on_with_its_memory_and_new_networks(guidegan_in: Guidegan, tmp_path: Path) -> None:
    script, own = fork_with("attention_gan") / "train.py", ["--guide_attention", "tam", "--guide_transfer", "conv"]
    guidegan_in(script, ATTENTION, "--name", "run", "--guide_strict", *own)
    guidegan_in(script, ATTENTION, "--name", "run", "--guide_strict", "--continue_train", *own)
    run = tmp_path / "checkpoints" / "run"
    assert visits(run) == [4, 4, 4, 4]
    assert sorted(path.stem for path in run.glob("latest_net_[TM]*")) == [
        f"latest_net_{n}" for n in ("M_A", "M_B", "T")
    ]


def test_attention_gan_lays_its_input_over_its_output_so_alpha_is_refused_with_the_cure(
    guidegan_in: Guidegan, tmp_path: Path
) -> None:
    fork = fork_with("attention_gan")
    with pytest.raises(AssertionError, match=r"uses its input again .*\(--guide_concat rhp\)"):
        guidegan_in(fork / "train.py", ATTENTION, "--name", "run", "--guide_concat", "alpha")
