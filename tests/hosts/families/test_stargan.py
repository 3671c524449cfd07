"""StarGAN, a stand-in and real checkouts: an image has a map for each target domain."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores
from guidegan_plugin.hosts.families.stargan import StarGanHost

FAMILY = "stargan"
pytestmark = pytest.mark.slow

Execute = Callable[..., Any]
Remembered = Callable[..., dict[str, tuple[Tensor, int]]]

# Every other step is the generator's; six images make an epoch of three batches. The third convolution is D's last but
# the two that answer: its maps are 4 x 4.
SMALL = shlex.split(
    "--image_size 32 --celeba_crop_size 64 --rafd_crop_size 64 --g_conv_dim 4 --d_conv_dim 4 --g_repeat_num 1 "
    "--d_repeat_num 3 --num_workers 0 --log_step 1 --sample_step 2 --model_save_step 2 --use_tensorboard False "
    "--celeba_image_dir data/celeba/images --attr_path data/celeba/list_attr_celeba.txt --batch_size 2 --n_critic 2"
)
RAFD = ["--dataset", "RaFD", "--c_dim", "3", "--rafd_image_dir", "data/rafd"]
BOTH = ["--dataset", "Both", "--c2_dim", "3", "--rafd_image_dir", "data/rafd"]
LAYER = ["--guide_layer", "3"]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, noise_image: Callable[..., None]) -> Path:
    """Six images that the attribute file names again and again, since the first 1999 lines are for the test."""
    for index in range(6):
        noise_image(tmp_path / "data" / "celeba" / "images" / f"{index}.jpg", (80, 80), index)
        noise_image(tmp_path / "data" / "rafd" / str(index % 3) / f"{index // 3}.jpg", (80, 80), 10 + index)
    names = "Black_Hair Blond_Hair Brown_Hair Male Young"
    rows = [f"{line % 6}.jpg {' '.join('1' if line >> bit & 1 else '-1' for bit in range(5))}" for line in range(2005)]
    (tmp_path / "data" / "celeba" / "list_attr_celeba.txt").write_text("\n".join(["2005", names, *rows]))
    return tmp_path / "stargan" / "models"


@pytest.mark.parametrize("mode", [[], BOTH], ids=["celeba", "both"])
def test_without_attention_it_is_bit_equal_to_the_bare_host(
    execute: Execute, models: Path, saved_weights: Any, same_weights: Any, mode: list[str]
) -> None:
    execute("main.py", *SMALL, "--num_iters", "4", *mode)
    expected = saved_weights(models)
    for path in models.iterdir():
        path.unlink()
    execute("main.py", *SMALL, "--num_iters", "4", *mode, guide=["--guide_attention", "none"])
    assert same_weights(saved_weights(models), expected)
    assert not list(models.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("mode", "concat", "target"),
    [([], "rhp", "[01]{5}"), (RAFD, "alpha", "[01]{3}"), (BOTH, "alpha", "[01]{10}")],
    ids=["celeba-rhp", "rafd-alpha", "both-alpha"],
)
def test_maps_of_image_and_target_are_formula_2_and_blended_at_their_next_visit(
    execute: Execute,
    tmp_path: Path,
    models: Path,
    witness: ModuleType,
    remembered: Remembered,
    mode: list[str],
    concat: str,
    target: str,
) -> None:
    long = ["--num_iters", "40", "--model_save_step", "40", "--sample_step", "10"]
    guide = [*LAYER, "--guide_concat", concat, "--guide_align", "off", "--guide_strict"]  # flips are undone otherwise
    ended = execute("main.py", *SMALL, *long, *mode, guide=guide, record=tmp_path / "record.pt")
    assert "not guided" not in ended.output and "no effect" not in ended.output
    seen, found = witness.Witness(tmp_path / "record.pt"), remembered(models / "40-G_guide.safetensors", "A")
    for key, (stored, _) in found.items():
        file, _, label = key.partition("#")
        error, files = seen.source_of(stored)
        assert re.fullmatch(target, label) and error <= witness.STORED and file in files, key
    assert {key.split("/")[1] for key in found} == (
        {"celeba", "rafd"} if mode is BOTH else {"rafd" if mode else "celeba"}
    )
    again = [blend for blend in seen.blended(alpha=concat == "alpha") if not blend.is_placeholder]
    assert max(visits for _, visits in found.values()) > 1 and again
    for blend in again:
        assert seen.nearest(blend, (4, 4)) < 2e-3, blend.files


@pytest.mark.parametrize(
    "guide", [["--guide_concat", "alpha", *LAYER], ["--guide_attention", "tam", "--guide_transfer", "conv"]]
)
def test_a_training_goes_on_and_a_test_shows_the_placeholder(
    execute: Execute, tmp_path: Path, models: Path, witness: ModuleType, guide: list[str]
) -> None:
    for more in (["--num_iters", "4"], ["--num_iters", "6", "--resume_iters", "4"]):
        ended = execute("main.py", *SMALL, *more, guide=[*guide, "--guide_strict"])
        assert "starts from ones" not in ended.output and "starts fresh" not in ended.output
    assert load_stores(models / "6-G_guide.safetensors")[1]["A.visits"] == "3"
    assert (models / "6-G_guide_networks.safetensors").is_file() == ("tam" in guide)
    alpha = "alpha" in guide
    assert torch.load(models / "6-G.ckpt", weights_only=True)["main.0.weight"].shape[1] == 3 + 5 + alpha
    test = ["--mode", "test", "--test_iters", "6", "--batch_size", "1999"]
    execute("main.py", *SMALL, *test, guide=guide, record=tmp_path / "record.pt")
    shown = witness.Witness(tmp_path / "record.pt").blended(alpha=alpha)
    assert len(shown) >= 1999
    assert all(blend.is_placeholder if alpha else blend.is_like(shown[0]) for blend in shown)
    assert (tmp_path / "stargan" / "results" / "1-images.jpg").is_file()


@pytest.mark.parametrize(
    "guide", [["--guide_concat", "alpha", *LAYER], ["--guide_attention", "tam", "--guide_transfer", "conv"]]
)
def test_a_bare_training_goes_on_guided(execute: Execute, models: Path, guide: list[str]) -> None:
    execute("main.py", *SMALL, "--num_iters", "2")
    more = ["--num_iters", "4", "--resume_iters", "2"]
    said = execute("main.py", *SMALL, *more, guide=[*guide, "--guide_strict"]).output
    assert "so it starts from ones" in said
    for text in ["padded with a zero alpha channel"] if "alpha" in guide else ["T, M_A starts fresh"]:
        assert text in said
    assert load_stores(models / "4-G_guide.safetensors")[1]["A.visits"] == "1"


def test_a_dry_run_says_what_is_attached_and_seen_and_leaves_nothing(execute: Execute, tmp_path: Path) -> None:
    shown = " ".join(execute("main.py", *SMALL, guide=["--guide_concat", "alpha", *LAYER], dry_run=True).output.split())
    assert "pair A solver.G (Generator) reads what is loaded, keys from the files that are opened" in shown
    assert "bound 2, read 2, judged 2 in one step on real data" in shown
    assert "main.0 widened from 8 to 9 channels, behind the image's 3" in shown
    assert not (tmp_path / "stargan").exists()


def test_a_dry_run_of_a_test_or_a_resumed_training_finds_the_checkpoints_and_changes_none(
    execute: Execute, models: Path
) -> None:
    execute("main.py", *SMALL, "--num_iters", "2", guide=LAYER)
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    test = ["--mode", "test", "--test_iters", "2", "--batch_size", "1999"]
    shown = execute("main.py", *SMALL, *test, guide=LAYER, dry_run=True).output
    assert "no optimizer step was seen: a test shows the generator ones" in shown and "not guided" not in shown
    more = ["--num_iters", "4", "--resume_iters", "2", "--model_save_step", "1"]
    shown = execute("main.py", *SMALL, *more, guide=LAYER, dry_run=True).output
    assert "bound 2, read 2, judged 2 in one step on real data" in shown and "batches bound" not in shown
    # Nobody judges: the dry run goes on, and comes by where the training saves.
    wrong = ["--guide_pairs", "generator=solver.G discriminator=solver.G source="]
    execute("main.py", *SMALL, *more, guide=wrong, dry_run=True, fails=True)
    wide = execute("main.py", *SMALL, *more, guide=[*LAYER, "--guide_concat", "alpha"], dry_run=True, fails=True)
    assert "stargan/models/2-G_guide.safetensors says the generator was trained with concat=rhp" in wide.output
    absent = execute("main.py", *SMALL, *test, "--test_iters", "9", guide=LAYER, dry_run=True, fails=True).output
    assert "'stargan/models/9-G.ckpt'" in absent
    assert {path.name: path.read_bytes() for path in models.iterdir()} == before


def test_wrong_names_are_refused_in_one_line(execute: Execute) -> None:
    ended = execute("main.py", *SMALL, guide=["--guide_pairs", "solver.G:solver.netD:0"], fails=True)
    last = ended.output.strip().splitlines()[-1]
    assert last.startswith("guidegan: error:") and "no discriminator 'solver.netD'" in last and "solver.D" in last


def test_the_gallery_has_a_map_for_each_image_and_target_and_the_doctor_names_tensorflow(
    stand_in: Path,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = AttentionStore()
    store.write(["data/celeba/images/0.jpg#10000", "data/rafd/gone.jpg#01000"], torch.rand(2, 1, 4, 4), None)
    models.mkdir(parents=True)
    save_stores(models / "2-G_guide.safetensors", {"A": store.state()}, {})
    monkeypatch.chdir(tmp_path)
    assert StarGanHost.is_run(models)
    shown = {sample.name: list(sample.pictures) for sample in StarGanHost.read_run(models).samples}
    assert shown == {
        "data/celeba/images/0.jpg#10000": ["input", "attention map"],
        "data/rafd/gone.jpg#01000": ["attention map"],
    }
    caplog.clear()
    monkeypatch.chdir(tmp_path / "stargan")
    StarGanHost.read_run(models)
    assert caplog.messages[0].startswith("no image that the memory names is found below ")
    host = StarGanHost.recognise(stand_in)
    assert host is not None
    told = {check.name: check for check in host.checks()}
    assert "--use_tensorboard False" in told["host's logger"].cure and "RaFD" in told["guided"].found
