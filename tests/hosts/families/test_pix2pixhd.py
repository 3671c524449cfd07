"""pix2pixHD, a stand-in and real checkouts: ``forward`` itself is called, with what a method makes of the label map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidegan_plugin.hosts.families.pix2pixhd import Pix2PixHDHost

FAMILY = "pix2pixhd"
pytestmark = pytest.mark.slow  # scripts run in processes of their own

Run = Callable[..., str]
Remembered = Callable[..., dict[str, tuple[Tensor, int]]]

SMALL = [
    "--name",
    "run",
    "--dataroot",
    "data",
    "--ngf",
    "4",
    "--n_downsample_global",
    "2",
    "--n_blocks_global",
    "1",
    "--fineSize",
    "32",
    "--nThreads",
    "0",
    "--resize_or_crop",
    "none",
]
TRAIN = [
    "--ndf",
    "4",
    "--no_vgg_loss",
    "--niter",
    "1",
    "--save_epoch_freq",
    "1",
    "--display_freq",
    "2",
    "--print_freq",
    "1",
]
IMAGES = ["--label_nc", "0", "--no_instance"]
LABELS = ["--label_nc", "6"]
FEATURES = [*LABELS, "--instance_feat", "--nef", "4", "--n_downsample_E", "2"]
LOCAL = [*LABELS, "--netG", "local", "--n_blocks_local", "1", "--batchSize", "2", "--no_ganFeat_loss"]
MODES = {"images": IMAGES, "labels": LABELS, "features": FEATURES, "local": LOCAL}
READS = {"images": 3, "labels": 7, "features": 7, "local": 7}  # channels of the source, as D is shown it
MORE = [["--guide_concat", "alpha"], ["--guide_attention", "tam", "--guide_transfer", "conv"]]
CHECKPOINTS = Path("checkpoints", "run")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, noise_image: Callable[..., None]) -> None:
    """Two pairs of images to train on and two to test, and the same as label and instance maps."""
    for number, phase in enumerate(("train", "test")):
        for index in range(2):
            rng = np.random.default_rng(10 * number + index)
            for folder, most in (("label", 6), ("inst", 3)):
                path = tmp_path / "data" / f"{phase}_{folder}" / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, most, (4, 4), np.uint8).repeat(8, 0).repeat(8, 1)).save(path)
            for folder, seed in (("A", 2), ("B", 4), ("img", 6)):
                path = tmp_path / "data" / f"{phase}_{folder}" / f"{index}.png"
                noise_image(path, (32, 32), 10 * number + seed + index)


@pytest.fixture
def run(codebase: Any, execute: Callable[..., Any]) -> Run:
    """Run a script in a mode, ``run("train.py", "labels", ..., guide=[...])``; what was said comes back."""

    def call(script: str, mode: str, *more: str, **how: Any) -> str:
        training = TRAIN if script == "train.py" else []
        legacy = codebase.real
        return str(execute(script, *SMALL, *MODES[mode], *training, *more, legacy=legacy, **how).output)

    return call


@pytest.mark.parametrize("mode", ["images", "labels"])
def test_without_attention_it_is_bit_equal_to_the_bare_host(
    run: Run, tmp_path: Path, saved_weights: Any, same_weights: Any, mode: str
) -> None:
    for name, guide in (("bare", None), ("none", ["--guide_attention", "none"])):
        run("train.py", mode, "--niter_decay", "1", "--checkpoints_dir", name, guide=guide)
    assert same_weights(saved_weights(tmp_path / "bare"), saved_weights(tmp_path / "none"))
    assert not list((tmp_path / "none").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("mode", "concat"),
    [(mode, concat) for mode in MODES for concat in ("rhp", "alpha")],
)
def test_stored_maps_are_formula_2_at_the_finest_scale_and_blended_at_the_next_visit(
    run: Run, tmp_path: Path, witness: ModuleType, remembered: Remembered, mode: str, concat: str
) -> None:
    guide = ["--guide_align", "off", "--guide_concat", concat, "--guide_strict"]
    said = run("train.py", mode, "--niter_decay", "1", guide=guide, record=tmp_path / "record.pt")
    assert "not guided" not in said
    seen = witness.Witness(tmp_path / "record.pt")
    found = remembered(tmp_path / CHECKPOINTS / "2_net_G_guide.safetensors", "A")
    assert sorted(found) == [f"data/train_{'A' if mode == 'images' else 'label'}/{index}.png" for index in range(2)]
    for key, (stored, visits) in found.items():
        error, files = seen.source_of(stored)
        assert error <= witness.STORED and key in files
        assert stored.shape == (6, 6) and visits == 2
    sources_as_d_is_shown_them(seen, READS[mode])
    again = [one for one in seen.blended(concat == "alpha", READS[mode]) if not one.is_placeholder]
    assert sorted(one.files[0] for one in again) == sorted(found)
    assert all(seen.nearest(blend, (6, 6)) < 2e-3 for blend in again)


def sources_as_d_is_shown_them(seen: Any, channels: int) -> None:
    """Let the witness know the sources as D is shown them, beside an image, and forget that D was."""
    for batch in seen.batches:
        shown = next(one for one in seen.calls if one["at"] > batch["at"] and is_of_d(one, channels))
        batch["images"] = [shown["given"][:, :channels]]
    for call in seen.calls:
        if is_of_d(call, channels):
            call["given"] = None


def is_of_d(call: dict[str, Any], channels: int) -> bool:
    return call["given"] is not None and call["given"].shape[1:] == (channels + 3, 32, 32)


@pytest.mark.parametrize("guide", [["--guide_concat", "rhp"], *MORE], ids=["rhp", "alpha", "tam"])
@pytest.mark.parametrize("mode", ["images", "labels"])
def test_a_training_goes_on_and_a_test_shows_ones(
    run: Run, tmp_path: Path, witness: ModuleType, remembered: Remembered, mode: str, guide: list[str]
) -> None:
    said = run("train.py", mode, "--niter_decay", "0", guide=guide)
    said += run("train.py", mode, "--niter_decay", "1", "--continue_train", guide=guide)
    assert "starts from ones" not in said
    memory = remembered(tmp_path / CHECKPOINTS / "2_net_G_guide.safetensors", "A")
    assert [visits for _, visits in memory.values()] == [2, 2]
    assert (tmp_path / CHECKPOINTS / "2_net_G_guide_networks.safetensors").is_file() == ("tam" in guide)
    weight = torch.load(tmp_path / CHECKPOINTS / "2_net_G.pth", weights_only=True)["model.1.weight"]
    assert weight.shape[1] == READS[mode] + ("alpha" in guide)
    # Of a training's images, which have maps: a test shows none of them.
    run("test.py", mode, "--phase", "train", guide=guide, record=tmp_path / "record.pt")
    calls = torch.load(tmp_path / "record.pt", weights_only=True)["calls"]
    first = [one["given"] for one in calls if one["given"] is not None and one["given"].shape[-1] == 38][::2]
    assert first[0].shape[1] == weight.shape[1]
    assert all((one[:, READS[mode] :] == 1).all() for one in first) or "alpha" not in guide
    results = tmp_path / "results" / "run" / "train_latest" / "images"
    assert len(list(results.glob("*_synthesized_image.jpg"))) == 2
    assert Pix2PixHDHost.is_run(results.parent) and Pix2PixHDHost.is_run(tmp_path / CHECKPOINTS)
    shown = {sample.name: list(sample.pictures) for sample in Pix2PixHDHost.read_run(results.parent).samples}
    assert shown == {"0": ["input", "output"], "1": ["input", "output"]}


@pytest.mark.parametrize("guide", MORE, ids=["alpha", "tam"])
def test_a_bare_training_goes_on_guided(run: Run, tmp_path: Path, remembered: Remembered, guide: list[str]) -> None:
    run("train.py", "labels", "--niter_decay", "0")
    said = run("train.py", "labels", "--niter_decay", "1", "--continue_train", guide=[*guide, "--guide_strict"])
    assert "so it starts from ones" in said
    for text in ["padded with a zero alpha channel"] if "alpha" in guide else ["T, M_A starts fresh"]:
        assert text in said
    memory = remembered(tmp_path / CHECKPOINTS / "2_net_G_guide.safetensors", "A")
    assert [visits for _, visits in memory.values()] == [1, 1]


@pytest.mark.parametrize("mode", ["images", "labels"])
def test_a_bare_checkpoint_gives_the_same_images_with_an_alpha_channel(run: Run, tmp_path: Path, mode: str) -> None:
    run("train.py", mode, "--niter_decay", "0")
    for folder, guide in (("bare", None), ("alpha", ["--guide_concat", "alpha"])):
        run("test.py", mode, "--results_dir", folder, guide=guide)
    for path in (tmp_path / "bare").rglob("*_synthesized_image.jpg"):
        assert path.read_bytes() == (tmp_path / "alpha" / path.relative_to(tmp_path / "bare")).read_bytes()


@pytest.mark.parametrize(
    ("trained", "tested", "cure"), [("alpha", "rhp", "--guide_concat alpha"), ("features", "labels", "")]
)
def test_weights_that_do_not_fit_are_refused_though_the_script_loads_what_fits(
    run: Run, tmp_path: Path, trained: str, tested: str, cure: str
) -> None:
    mode = "features" if trained == "features" else "labels"
    run("train.py", mode, "--niter_decay", "0", guide=["--guide_concat", "alpha"])
    concat = "alpha" if tested == "labels" else tested
    said = run("test.py", "labels", guide=["--guide_concat", concat], fails=True)
    assert "latest_net_G_guide.safetensors says the generator was trained with" in said.strip().splitlines()[-1]
    for memory in tmp_path.rglob("*_guide.safetensors"):  # without it the weights alone tell
        memory.unlink()
    said = run("test.py", "labels", guide=["--guide_concat", concat], fails=True)
    last = said.strip().splitlines()[-1]
    assert last.startswith("guidegan: error:") and "latest_net_G.pth" in last and "model.1.weight" in last
    assert cure in last


@pytest.mark.parametrize(
    ("mode", "concat", "place"),
    [
        ("images", "rhp", "multiplied onto the input image"),
        ("features", "alpha", "model.1 widened from 10 to 11 channels, behind the image's 7"),
        ("local", "alpha", "model.1,model1_1.1 widened from 7 to 8 channels"),
    ],
)
def test_a_dry_run_says_what_is_attached_and_seen_and_leaves_nothing(
    run: Run, tmp_path: Path, mode: str, concat: str, place: str
) -> None:
    said = " ".join(run("train.py", mode, guide=["--guide_concat", concat], dry_run=True).split())
    many = 2 if mode == "local" else 1
    layer = "layer1.8" if mode == "local" else "scale1_layer3.0"
    assert "pair A model.netG (" in said and "reads label, keys from path" in said
    assert f"read off {layer} (Conv2d), maps 6 x 6" in said
    assert f"bound {many}, read {many}, judged {many} in one step on real data" in said and place in said
    assert not (tmp_path / "checkpoints").exists()


def test_a_dry_run_of_a_test_finds_the_checkpoints(run: Run, tmp_path: Path) -> None:
    run("train.py", "labels", "--niter_decay", "0", guide=["--guide_concat", "alpha"])
    before = {path.name: path.read_bytes() for path in (tmp_path / CHECKPOINTS).iterdir() if path.is_file()}
    said = run("test.py", "labels", guide=["--guide_concat", "alpha"], dry_run=True)
    assert "no optimizer step was seen: a test shows the generator ones" in said
    assert {path.name: path.read_bytes() for path in (tmp_path / CHECKPOINTS).iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("pairs", "cause"),
    [
        ("model.netG:model.D:label", "no discriminator 'model.D'"),
        ("model.netG:model.netD:labels", "no loaded batch has images 'labels' (they have "),
        ("model.netG:model.netD:image", "pair model_netG is not guided"),
    ],
)
def test_wrong_names_are_refused(run: Run, pairs: str, cause: str) -> None:
    guide = ["--guide_pairs", pairs, "--guide_strict"]
    last = run("train.py", "images", "--niter_decay", "3", guide=guide, fails=True).strip().splitlines()[-1]
    assert last.startswith("guidegan: error:") and cause in last
