"""MUNIT and UNIT, a stand-in and real checkouts: two networks translate, entered at encode and left at decode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import resize, to_tensor

FAMILY = "munit"
pytestmark = pytest.mark.slow  # scripts run in processes of their own

Run = Callable[..., str]
Remembered = Callable[..., dict[str, tuple[Tensor, int]]]

SMALL: dict[str, Any] = {"dim": 4, "pad_type": "reflect"}
# JSON is YAML, too.
CONFIG: dict[str, Any] = {
    **{"max_iter": 4, "snapshot_save_iter": 2, "image_save_iter": 2, "image_display_iter": 2, "display_size": 2},
    **{"log_iter": 1, "batch_size": 1, "num_workers": 0, "new_size": 40, "data_root": "data"},
    **{"crop_image_height": 32, "crop_image_width": 32, "input_dim_a": 3, "input_dim_b": 3},
    **{"lr": 0.001, "beta1": 0.5, "beta2": 0.999, "weight_decay": 0.0001, "init": "kaiming"},
    **{"lr_policy": "step", "step_size": 1000, "gamma": 0.5, "vgg_w": 0, "gan_w": 1},
    **{"recon_x_w": 10, "recon_s_w": 1, "recon_c_w": 1, "recon_x_cyc_w": 1, "recon_kl_w": 0.01, "recon_kl_cyc_w": 0.01},
    "gen": SMALL | {"mlp_dim": 8, "style_dim": 8, "activ": "relu", "n_downsample": 2, "n_res": 1},
    "dis": SMALL | {"norm": "none", "activ": "lrelu", "n_layer": 3, "gan_type": "lsgan", "num_scales": 2},
}
RESULTS = {"MUNIT": ["output000.jpg", "output001.jpg"], "UNIT": ["output.jpg"]}
LITERAL = ["--guide_align", "off", "--guide_strict"]  # maps stay where they are under another crop
MORE = [["--guide_concat", "alpha"], ["--guide_attention", "tam", "--guide_transfer", "conv"]]


@pytest.fixture(params=["MUNIT", "UNIT"])
def trainer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def train(codebase: Any, execute: Callable[..., Any], tmp_path: Path, trainer: str, noise_image: Any) -> Run:
    """Train in a folder, ``train("--resume", max_iter=6, cwd=..., guide=[...])``; what was said comes back."""
    for number, folder in enumerate(f"{mode}{domain}" for mode in ("train", "test") for domain in "AB"):
        for index in range(2):
            noise_image(tmp_path / "data" / folder / f"{index}.png", (48, 48), 10 * number + index)

    def call(*more: str, cwd: Path = tmp_path, max_iter: int = 4, cure: str = "Finish training", **how: Any) -> str:
        cwd.mkdir(exist_ok=True)
        config = {**CONFIG, "max_iter": max_iter, "data_root": str(tmp_path / "data")}
        (cwd / "tiny.yaml").write_text(json.dumps(config))
        arguments = ["--config", "tiny.yaml", "--trainer", trainer, "--output_path", ".", *more]
        how["fails"] = not how.get("dry_run", False)  # the host ends a good run with a text, and so with code 1
        ended = execute("train.py", *arguments, cwd=cwd, legacy=codebase.real, **how)
        assert cure in ended.output or "dry_run" in how, ended.output[-2000:]
        return str(ended.output)

    return call


@pytest.fixture
def translate(codebase: Any, execute: Callable[..., Any], tmp_path: Path, trainer: str) -> Callable[..., list[bytes]]:
    """Translate a test image with the newest checkpoint of a folder, with two styles where there are styles."""

    def call(cwd: Path = tmp_path, **how: Any) -> list[bytes]:
        newest = max((cwd / "outputs" / "tiny" / "checkpoints").glob("gen_*.pt"))
        arguments = ["--config", "tiny.yaml", "--trainer", trainer, "--checkpoint", newest, "--output_path", "."]
        arguments += ["--input", tmp_path / "data" / "testA" / "0.png", "--output_folder", "results"]
        execute("test.py", *arguments, "--a2b", 1, "--num_style", 2, cwd=cwd, legacy=codebase.real, **how)
        return [(cwd / "results" / name).read_bytes() for name in RESULTS[trainer]]

    return call


def checkpoints(folder: Path) -> Path:
    return folder / "outputs" / "tiny" / "checkpoints"


def test_without_attention_it_is_bit_equal_to_the_bare_host(
    train: Run, tmp_path: Path, saved_weights: Any, same_weights: Any
) -> None:
    train(cwd=tmp_path / "bare")
    train(cwd=tmp_path / "none", guide=["--guide_attention", "none"])
    assert same_weights(saved_weights(tmp_path / "bare"), saved_weights(tmp_path / "none"))
    assert not list((tmp_path / "none").rglob("*.safetensors"))


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_stored_maps_are_formula_2_and_blended_into_every_encoder_at_the_next_visit(
    train: Run, tmp_path: Path, trainer: str, witness: ModuleType, remembered: Remembered, concat: str
) -> None:
    said = train(guide=[*LITERAL, "--guide_concat", concat], record=tmp_path / "record.pt")
    assert "not guided" not in said
    seen = witness.Witness(tmp_path / "record.pt")
    for pair, domain in (("a2b", "A"), ("b2a", "B")):
        found = remembered(checkpoints(tmp_path) / "gen_00000004_guide.safetensors", pair)
        assert len(found) == 2
        for key, (stored, visits) in found.items():
            error, files = seen.source_of(stored)
            assert error <= witness.STORED and key in files and f"train{domain}" in key
            assert stored.shape == (4, 4) and visits == 2
    again = [blend for blend in seen.blended(alpha=concat == "alpha") if not blend.is_placeholder]
    # Two epochs of two images a domain: the second visit of each, in D's step and in G's, by each encoder of MUNIT.
    assert len(again) == 4 * 2 * (2 if trainer == "MUNIT" else 1)
    assert all(seen.nearest(blend, (4, 4)) < 2e-3 for blend in again)


@pytest.mark.parametrize("guide", [["--guide_concat", "rhp"], *MORE], ids=["rhp", "alpha", "tam"])
def test_a_training_goes_on_with_its_memory_new_networks_and_optimizers(
    train: Run, tmp_path: Path, trainer: str, remembered: Remembered, guide: list[str]
) -> None:
    said = train(guide=guide)
    said += train("--resume", max_iter=6, guide=guide)
    assert "starts from ones" not in said
    memory = remembered(checkpoints(tmp_path) / "gen_00000006_guide.safetensors", "a2b")
    assert sorted(visits for _, visits in memory.values()) == [3, 3]
    assert len(list(checkpoints(tmp_path).glob("*_guide_networks.safetensors"))) == 3 * ("tam" in guide)
    weights = torch.load(checkpoints(tmp_path) / "gen_00000006.pt", weights_only=True)["a"]
    readers = ["enc_style.model.0", "enc_content.model.0"] if trainer == "MUNIT" else ["enc.model.0"]
    assert all(weights[f"{path}.conv.weight"].shape[1] == 3 + ("alpha" in guide) for path in readers)
    if "tam" in guide:
        groups = torch.load(checkpoints(tmp_path) / "optimizer.pt", weights_only=True)
        assert len(groups["dis"]["param_groups"][0]["params"]) == 2 * (2 * 4 * 2 + 4 * 2)
        assert all(float(one["step"]) == 6 for one in groups["dis"]["state"].values())


@pytest.mark.parametrize("guide", MORE, ids=["alpha", "tam"])
def test_a_bare_training_goes_on_guided_and_keeps_the_state_of_its_optimizers(
    train: Run, tmp_path: Path, guide: list[str]
) -> None:
    train()
    bare = torch.load(checkpoints(tmp_path) / "optimizer.pt", weights_only=True)
    said = train("--resume", max_iter=6, guide=[*guide, "--guide_strict"])
    assert "there is no memory outputs/tiny/checkpoints/gen_00000004_guide.safetensors, so it starts from" in said
    new = ("of a host checkpoint padded", "of a host padded") if "alpha" in guide else ("starts fresh", "saved without")
    assert all(text in said for text in new)
    states = torch.load(checkpoints(tmp_path) / "optimizer.pt", weights_only=True)
    for name, state in states.items():
        steps = [float(one["step"]) for one in state["state"].values()]
        before = len(bare[name]["state"])
        assert before and steps == [6] * before + [2] * (len(steps) - before)
        assert (len(steps) > before) == ("tam" in guide)
    said = train("--resume", max_iter=8, guide=["--guide_concat", "rhp"], cure="guidegan: error:")
    if "alpha" in guide:
        cause = "gen_00000006_guide.safetensors says the generator was trained with concat=alpha, not rhp"
    else:
        cause = "gen_00000006_guide.safetensors says the generator was trained with transfer=conv, not bilinear"
    assert cause in said.strip().splitlines()[-1]


def test_the_state_of_an_optimizer_with_other_networks_is_refused_with_the_cure(train: Run) -> None:
    train(max_iter=2, guide=["--guide_attention", "tam"])
    said = train("--resume", guide=["--guide_concat", "rhp"], cure="guidegan: error:").strip().splitlines()[-1]
    assert "optimizer.pt: loaded state dict contains" in said and said.endswith(
        "change --guide_attention and --guide_transfer back"
    )


def test_weights_with_an_alpha_channel_are_refused_with_the_cure_where_nothing_is_guided(train: Run) -> None:
    train(max_iter=2, guide=["--guide_concat", "alpha"])
    said = train("--resume", guide=["--guide_attention", "none"], cure="guidegan: error:").strip().splitlines()[-1]
    assert "gen_00000002.pt: enc" in said and "reads 4 channels, and the generator's 3; train and test with" in said


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_a_test_shows_ones_and_loads_wide_checkpoints_though_the_script_swallows_errors(
    train: Run, translate: Callable[..., list[bytes]], tmp_path: Path, witness: ModuleType, concat: str
) -> None:
    guide = ["--guide_concat", concat]
    train(max_iter=2, guide=guide)
    translate(guide=guide, record=tmp_path / "record.pt")
    given = torch.load(tmp_path / "record.pt", weights_only=True)["calls"][0]["given"]
    pad = (given.shape[-1] - 40) // 2  # of a host that pads by itself
    image = Image.open(tmp_path / "data" / "testA" / "0.png").convert("RGB")
    source = to_tensor(resize(image, [40]))[None] * 2 - 1
    expected = 2 * source if concat == "rhp" else torch.cat([source, torch.ones(1, 1, 40, 40)], 1)
    torch.testing.assert_close(F.pad(given, (-pad,) * 4), expected)


def test_a_bare_checkpoint_gives_the_same_image_with_an_alpha_channel(
    train: Run, translate: Callable[..., list[bytes]]
) -> None:
    train(max_iter=2)
    assert translate() == translate(guide=["--guide_concat", "alpha"])


def test_a_dry_run_says_what_is_attached_and_seen_and_leaves_nothing(train: Run, tmp_path: Path) -> None:
    said = " ".join(train(guide=["--guide_concat", "alpha"], dry_run=True).split())
    assert "pair a2b trainer.gen_a:encode..trainer.gen_b:decode (" in said and "reads what is loaded, keys from" in said
    assert said.count("read off cnns.0.2.conv (Conv2d), maps 4 x 4") == 2
    assert said.count("bound 1, read 1, judged 1 in one step on real data") == 2
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_of_a_resumed_training_finds_the_checkpoints_and_no_default_is_said_to_be_idle(
    train: Run, tmp_path: Path
) -> None:
    guide = ["--guide_attention", "tam"]
    train(max_iter=2, guide=guide)
    before = {path.name: path.read_bytes() for path in checkpoints(tmp_path).iterdir()}
    said = train("--resume", guide=guide, dry_run=True)
    assert said.count("bound 1, read 1, judged 1 in one step on real data") == 2 and "no effect" not in said
    assert {path.name: path.read_bytes() for path in checkpoints(tmp_path).iterdir()} == before


@pytest.mark.parametrize(
    ("pair", "cause"),
    [
        ("discriminator=trainer.dis_c source=", "no discriminator 'trainer.dis_c'"),
        ("discriminator=trainer.dis_a source=", "pair one is not guided"),
        ("discriminator=trainer.dis_b source=0", "no loaded batch has images '0' (they have no names: leave source="),
    ],
)
def test_wrong_names_are_refused(train: Run, pair: str, cause: str) -> None:
    words = f"name=one generator=trainer.gen_a:encode..trainer.gen_b:decode {pair}"
    said = train(guide=["--guide_pairs", words, "--guide_strict"], cure=cause)
    assert said.strip().splitlines()[-1].startswith("guidegan: error:")
