"""A script of no known family, its networks named on the command line, is guided without a line of it changed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.guidance.test_time.predictor_file import load_predictors, predictor_path

STAND_INS = Path(__file__).parent / "stand_ins"
PAIRS = "G_AB:D_B:A,G_BA:D_A:B"

Guidegan = Callable[..., int | str]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_image: Callable[..., None]) -> Path:
    """A script and its data, four images a domain, in a folder that is the working directory."""
    for number, (mode, domain) in enumerate((mode, domain) for mode in ("train", "test") for domain in "AB"):
        for index in range(4):
            noise_image(tmp_path / "data" / mode / domain / f"{index}.png", (32, 32), 10 * number + index)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(STAND_INS / "two_domains.py", tmp_path / "train.py"))


def weights() -> dict[str, dict[str, Tensor]]:
    return {path.name: torch.load(path, weights_only=True) for path in sorted(Path("saved").glob("*.pth"))}


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return list(one) == list(other) and all(
        list(one[file]) == list(other[file]) and all(torch.equal(one[file][key], other[file][key]) for key in one[file])
        for file in one
    )


def bare(script: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, dict[str, Tensor]]:
    import runpy

    monkeypatch.setattr("sys.argv", [str(script), *arguments])
    runpy.run_path(str(script), run_name="__main__")
    return weights()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_without_attention_the_script_trains_as_if_we_were_not_there(
    guidegan: Guidegan, script: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    expected = bare(script, monkeypatch, "--epochs", "2", "--workers", workers)
    shutil.rmtree("saved")
    options = ["--guide_attention", "none", "--epochs", "2", "--workers", workers]
    assert guidegan("run", "--guide_pairs", PAIRS, script, *options) == 0
    assert same(weights(), expected)
    assert not list(Path("saved").glob("*.safetensors"))


def test_every_image_has_a_map_under_the_file_it_was_read_from(guidegan: Guidegan, script: Path) -> None:
    before = hashlib.sha256(script.read_bytes()).digest()
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--epochs", "3", "--workers", "2") == 0
    states, facts = load_stores(Path("saved/G_AB_3_guide.safetensors"))
    assert sorted(unpack_keys(states["G_AB"])) == [f"data/train/A/{index}.png" for index in range(4)]
    assert states["G_AB"]["visits"].tolist() == [3] * 4
    assert facts["G_AB.steps"] == "6"
    unpaired, _ = load_stores(Path("saved/G_BA_3_guide.safetensors"))
    assert sum(unpaired["G_BA"]["visits"].tolist()) <= 12, "an image twice in a batch is one visit"
    assert all(key.startswith("data/train/B/") for key in unpack_keys(unpaired["G_BA"]))
    assert hashlib.sha256(script.read_bytes()).digest() == before


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_the_map_stored_is_formula_2_and_blended_at_the_next_visit(
    guidegan: Guidegan, script: Path, concat: str
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def witness(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            seen.append((args[0].detach().clone(), output.detach().clone()))

    with register_module_forward_hook(witness):  # type: ignore[attr-defined]
        guidegan("run", "--guide_pairs", PAIRS, script, "--epochs", "2", "--guide_concat", concat)
    states, _ = load_stores(Path("saved/G_AB_2_guide.safetensors"))
    keys, maps = unpack_keys(states["G_AB"]), states["G_AB"]["maps.8x8"]
    predictions = [output.abs().mean(1) for _, output in seen if output.shape[1] == 1]
    scaled = [scale(one) for batch in predictions for one in batch]
    for key, found in zip(keys, maps.squeeze(1).float() / 255, strict=True):
        assert min((found - one).abs().max() for one in scaled) <= 0.5 / 255 + 1e-6, key
        image = pixels(Path(key))
        blended = [one for given, _ in seen for one in given if is_image_with_a_map(one, image, concat)]
        assert blended, f"{key} never entered a generator with a map"
        if concat == "alpha":
            expected = [F.interpolate(one[None, None], (32, 32), mode="bilinear") for one in scaled]
            assert min((blended[-1][3] - one[0, 0]).abs().max() for one in expected) <= 0.5 / 255 + 1e-5


def scale(prediction: Tensor) -> Tensor:
    """Min-max of formula (2)."""
    return (prediction - prediction.min()) / (prediction.max() - prediction.min())


def pixels(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) / 127.5 - 1


def is_image_with_a_map(given: Tensor, image: Tensor, concat: str) -> bool:
    if given.shape != ((4 if concat == "alpha" else 3), 32, 32):
        return False
    if concat == "alpha":
        return torch.equal(given[:3], image) and not torch.equal(given[3], torch.ones(32, 32))
    factor = given[:3] / image
    return bool((factor.std(0) < 1e-3).all() and factor.std() > 0.01)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("options", [[], ["--guide_concat", "alpha"], ["--guide_attention", "tam"]])
def test_a_training_goes_on_with_its_memory_and_the_guidances_own_networks(
    guidegan: Guidegan, script: Path, options: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    whole = [*options, "--guide_transfer", "conv"]
    assert guidegan("run", "--guide_pairs", PAIRS, script, *whole) == 0
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--epoch", "1", *whole) == 0
    states, facts = load_stores(Path("saved/G_AB_2_guide.safetensors"))
    assert states["G_AB"]["visits"].tolist() == [2] * 4
    assert facts["G_AB.steps"] == "4"
    assert Path("saved/G_AB_2_guide_networks.safetensors").is_file()
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_a_test_shows_the_generator_ones(guidegan: Guidegan, script: Path, concat: str) -> None:
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--guide_concat", concat) == 0
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--epoch", "1", "--sample", "--guide_concat", concat) == 0
    state = torch.load("saved/G_AB_1.pth", weights_only=True)
    images = torch.stack([pixels(Path(f"data/test/A/{index}.png")) for index in range(2)])
    blended = 2 * images if concat == "rhp" else torch.cat([images, torch.ones(2, 1, 32, 32)], 1)
    hidden = F.instance_norm(F.conv2d(blended, state["0.weight"], state["0.bias"], padding=1)).relu()
    expected = F.conv2d(hidden, state["3.weight"], state["3.bias"], padding=1).tanh()
    assert torch.equal(torch.load("sample.pt", weights_only=True), expected)


def test_a_test_shows_the_generator_the_map_that_is_chosen(guidegan: Guidegan, script: Path) -> None:
    run = ("run", "--guide_pairs", PAIRS, script)
    assert guidegan(*run) == 0
    state = torch.load("saved/G_AB_1.pth", weights_only=True)
    images = torch.stack([pixels(Path(f"data/test/A/{index}.png")) for index in range(2)])

    def made_of(maps: Tensor) -> Tensor:
        blended = images * (F.interpolate(maps, (32, 32), mode="bilinear", align_corners=False) + 1)
        hidden = F.instance_norm(F.conv2d(blended, state["0.weight"], state["0.bias"], padding=1)).relu()
        return F.conv2d(hidden, state["3.weight"], state["3.bias"], padding=1).tanh()

    store = Path("saved/G_AB_1_guide.safetensors")
    assert guidegan(*run, "--epoch", "1", "--sample", "--guide_test_map", "mean") == 0
    found = torch.load("sample.pt", weights_only=True)
    mean = load_stores(store)[0]["G_AB"]["mean"]
    assert torch.allclose(found, made_of(mean[None].expand(2, -1, -1, -1)), atol=1e-5)
    refused = str(guidegan(*run, "--epoch", "1", "--sample", "--guide_test_map", "predict"))
    assert f"make it: guidegan predict-maps {store}" in refused.replace(str(Path.cwd()) + "/", "")
    for name in ("G_AB", "G_BA"):
        assert guidegan("predict-maps", f"saved/{name}_1_guide.safetensors", "--passes", "2", "--quiet") == 0
    assert guidegan(*run, "--epoch", "1", "--sample", "--guide_test_map", "predict") == 0
    network = load_predictors(predictor_path(store), store)["G_AB"][0]
    assert network.seen == (32, 32)
    found = torch.load("sample.pt", weights_only=True)
    assert torch.allclose(found, made_of(network(images)), atol=1e-5)


def test_a_dry_run_says_what_is_attached_and_seen_and_saves_nothing(
    guidegan: Guidegan, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("run", "--dry-run", "--guide_pairs", PAIRS, script) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "pair G_AB G_AB (Sequential) reads A, keys from the files that are opened D_B (Sequential) judges it" in shown
    )
    assert shown.count("bound 2, read 2, judged 2 in one step on real data") == 2
    assert not list(Path("saved").iterdir())


@pytest.mark.parametrize(
    ("pairs", "cause"),
    [
        ("netG_AB:D_B:A", "the script has no generator 'netG_AB' (networks nearest to it: "),
        ("G_AB:D_C:A", "the script has no discriminator 'D_C' (networks nearest to it: "),
        ("G_AB:D_B:real_A", "no loaded batch has images 'real_A' (they have 'A', 'B')"),
        ("G_AB:D_B", "expected 3 to 5 parts with colons between"),
        ("G_AB:D_B:A:path", "its batch (it has A, B) has no keys 'path'"),
        ("generator=G_AB discriminator=D_B source=A views=crops", "its batch (it has A, B) has no views 'crops'"),
    ],
)
def test_a_wrong_name_is_refused_with_what_there_is(guidegan: Guidegan, script: Path, pairs: str, cause: str) -> None:
    refused = str(guidegan("run", "--guide_pairs", pairs, script))
    assert cause in refused
    assert "--guide_pairs" in refused
    assert "\n" not in refused


def test_a_discriminator_that_judges_something_else_is_said_in_a_training_and_fails_a_dry_run(
    guidegan: Guidegan, script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert guidegan("run", "--guide_pairs", "G_AB:D_A:A", script, "--epochs", "3") == 0
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert "never with what the generator made of the bound batch; change discriminator=" in warned[0]
    assert "is not guided" in str(guidegan("run", "--dry-run", "--guide_pairs", "G_AB:D_A:A", script))


def test_without_names_an_unknown_script_is_refused_with_the_option_that_names_them(
    guidegan: Guidegan, script: Path
) -> None:
    assert "--guide_pairs G_AB:D_B:A" in str(guidegan("run", script))


def test_a_memory_that_could_not_be_written_is_said_at_once_and_fails_the_end(
    guidegan: Guidegan, script: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("guidegan_plugin.guidance.memory.sealed_file.write_whole", full)
    ended = str(guidegan("run", "--guide_pairs", PAIRS, script))
    assert "G_AB_1_guide.safetensors could not be written: No space left on device" in caplog.text
    assert "its last state was not saved (G_AB_1_guide.safetensors" in ended
    assert Path("saved/D_B_1.pth").is_file(), "the script's own work is done"


@pytest.mark.parametrize("resumed", [["--sample"], []])
def test_weights_of_another_concatenation_are_refused_by_what_their_memory_says(
    guidegan: Guidegan, script: Path, resumed: list[str]
) -> None:
    assert guidegan("run", "--guide_pairs", PAIRS, script) == 0
    Path("sample.pt").unlink()
    other = ["--epoch", "1", *resumed, "--guide_concat", "alpha"]
    refused = str(guidegan("run", "--guide_pairs", PAIRS, script, *other))
    assert "saved/G_AB_1_guide.safetensors says the generator was trained with concat=rhp, not alpha" in refused
    assert "change --guide_concat" in refused
    assert not Path("sample.pt").exists()


def test_a_training_says_what_guides_what_and_what_came_of_it(
    guidegan: Guidegan, script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "guidegan_plugin")
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--epochs", "2") == 0
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--epoch", "2") == 0
    said = [record.getMessage() for record in caplog.records]
    assert said.count("pair G_AB: Sequential guides Sequential") == 2
    assert "pair G_AB: 4 batches bound, 4 judged" in said
    assert "pair G_AB goes on with the memory saved/G_AB_2_guide.safetensors" in said


def test_an_option_that_nobody_knows_is_answered_with_the_nearest(
    guidegan: Guidegan, script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--guide_layre", "3", "--dry-run") == 2
    assert "--guide_layre is no option of the guidance of scripts; nearest: --guide_layer" in caplog.text
    assert "guidegan run --dry-run SCRIPT ARGS" in caplog.text
