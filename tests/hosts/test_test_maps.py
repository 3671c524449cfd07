"""--guide_test_map in a fork's test: ones as before, the memory's mean, and predicted maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin import cli
from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.junyanz.result_folder import read_images

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
RUN = Path("checkpoints") / "run"


@pytest.fixture
def trained(
    request: pytest.FixtureRequest, run_host: Run, small: Small, one_epoch: list[str]
) -> Callable[..., list[str]]:
    """Train a model for an epoch; the options to test it with."""

    def train(model: str, *flags: str) -> list[str]:
        options = small(f"guide_{model}", request.getfixturevalue("paired" if model == "pix2pix" else "unpaired"))
        run_host("train.py", *options, *one_epoch, "--lr", "0.01", *flags)
        return [*options, *flags]

    return train


@pytest.fixture
def predict_maps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def call(*words: object) -> None:
        monkeypatch.setattr("sys.argv", ["guidegan", "predict-maps", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code, ended.value.code

    return call


def images_of(folder: str) -> dict[str, np.ndarray]:
    paths = (Path(folder) / "run" / "test_latest" / "images").iterdir()
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in paths}


def fakes(folder: str) -> dict[str, np.ndarray]:
    return {name: pixels for name, pixels in images_of(folder).items() if "_fake" in name}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "flags"), [("cycle_gan", ()), ("pix2pix", ()), ("cycle_gan", ("--guide_concat", "alpha"))]
)
def test_a_checkpoint_is_tested_with_ones_the_mean_and_predicted_maps(
    run_host: Run, trained: Any, predict_maps: Any, model: str, flags: tuple[str, ...]
) -> None:
    options = trained(model, *flags)
    options += ["--load_size", options[options.index("--crop_size") + 1]]  # whole images
    for kind in ("ones", "mean"):
        run_host("test.py", *options, "--guide_test_map", kind, "--no_dropout", "--results_dir", kind)
    run_host("test.py", *options, "--no_dropout", "--results_dir", "usual")
    ones, mean = fakes("ones"), fakes("mean")
    assert all(np.array_equal(pixels, ones[name]) for name, pixels in fakes("usual").items())
    assert any(not np.array_equal(pixels, ones[name]) for name, pixels in mean.items())
    with pytest.raises(StoreError, match=rf"there is no predictor .*guidegan predict-maps {RUN}/latest_guide"):
        run_host("test.py", *options, "--guide_test_map", "predict")
    predict_maps(RUN, "--passes", 1, "--quiet")
    run_host("test.py", *options, "--guide_test_map", "predict", "--no_dropout", "--results_dir", "predicted")
    predicted = fakes("predicted")
    assert set(predicted) == set(ones) == set(mean)
    assert any(not np.array_equal(pixels, mean[name]) for name, pixels in predicted.items())
    # The pages show the maps that were given, under a name that says so, and the gallery's samples tell it.
    for folder, ending, word in (
        ("usual", "placeholder", "placeholder"),
        ("mean", "mean", "mean map"),
        ("predicted", "predicted", "predicted"),
    ):
        assert f"0_attention_A_{ending}.png" in images_of(folder)
        samples = read_images(Path(folder) / "run" / "test_latest" / "images")
        assert samples and {sample.given for sample in samples} == {word}
        page = (Path(folder) / "run" / "test_latest" / "gallery" / "index.html").read_text()
        assert f"attention map ({word})" in page
    shown = images_of("mean")["0_attention_A_mean.png"][..., 0]
    assert np.array_equal(shown, images_of("mean")["1_attention_A_mean.png"][..., 0])
    mean_map = load_stores(RUN / "latest_guide.safetensors")[0]["A"]["mean"]
    wanted = torch.nn.functional.interpolate(mean_map[None], shown.shape, mode="bilinear", align_corners=False)
    assert np.abs(shown - wanted[0, 0].numpy() * 255).max() < 2


def test_the_first_map_of_refinement_is_the_one_that_was_chosen(run_host: Run, trained: Any) -> None:
    options = trained("cycle_gan")
    run_host("test.py", *options, "--guide_test_map", "mean", "--results_dir", "mean")
    given = ["--guide_test_map", "mean", "--guide_show", "--guide_refine"]
    run_host("test.py", *options, *given, 0, "--results_dir", "none")
    assert all(np.array_equal(pixels, fakes("mean")[name]) for name, pixels in fakes("none").items())
    run_host("test.py", *options, *given, 1, "--results_dir", "refined")
    assert set(fakes("refined")) == set(fakes("mean"))


def test_one_direction_is_tested_with_its_own_mean(run_host: Run, trained: Any, small: Small, unpaired: Path) -> None:
    trained("cycle_gan")
    one = [*small("guide_test", unpaired / "testB"), "--model_suffix", "_B", "--no_dropout"]
    run_host("test.py", *one, "--guide_test_map", "mean", "--results_dir", "mean")
    run_host("test.py", *one, "--results_dir", "ones")
    found, before = fakes("mean"), fakes("ones")
    assert found and any(not np.array_equal(pixels, before[name]) for name, pixels in found.items())


def test_what_cannot_work_is_refused_naming_the_flag(run_host: Run, trained: Any) -> None:
    options = trained("cycle_gan")
    with pytest.raises(ConfigError, match=r"test_map=predict is for tests.*leave out --guide_test_map"):
        run_host("train.py", *options, "--guide_test_map", "predict")
    with pytest.raises(ConfigError, match=r"attention=none makes none; change test_map \(--guide_test_map\)"):
        run_host("test.py", *options, "--guide_attention", "none", "--guide_test_map", "mean")
    with pytest.raises(ConfigError, match=r"concat=gradient leaves the generator's input alone"):
        run_host("test.py", *options, "--guide_concat", "gradient", "--guide_test_map", "mean")
    (RUN / "latest_guide.safetensors").unlink()
    with pytest.raises(StoreError, match=r"test_map=mean: there is no store .*latest_guide.*--guide_test_map ones"):
        run_host("test.py", *options, "--guide_test_map", "mean")


def _change(network: str) -> None:
    path = RUN / f"latest_net_{network}.pth"
    weights = torch.load(path, weights_only=True)
    next(iter(weights.values())).add_(1e-3)
    torch.save(weights, path)


def test_maps_of_a_generator_with_other_weights_are_given_and_a_warning_names_the_pair(
    run_host: Run, trained: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = trained("cycle_gan")
    _change("G_B")
    run_host("test.py", *options, "--guide_test_map", "mean", "--num_test", 1)
    told = [record.getMessage() for record in caplog.records if "other weights" in record.getMessage()]
    assert len(told) == 1
    assert "latest_guide.safetensors belongs to a generator with other weights than that of pair B" in told[0]


def test_a_discriminator_with_other_weights_than_the_memory_says_is_refused_by_name(
    run_host: Run, trained: Any
) -> None:
    options = trained("cycle_gan")
    _change("D_A")
    run_host("test.py", *options, "--num_test", 1)
    said = "latest_guide.safetensors belongs to a discriminator with other weights than that of pair A; .*--guide_show"
    with pytest.raises(StoreError, match=said):
        run_host("test.py", *options, "--guide_show", "--num_test", 1)


def test_a_dry_run_of_a_test_says_which_map_is_given(
    run_host: Run, small: Small, unpaired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = small("guide_cycle_gan", unpaired)
    for kind, words in (("mean", "the memory's mean map"), ("predict", "predicted from the image")):
        run_host("test.py", *options, "--guide_test_map", kind, "--guide_refine", 1, dry_run=True)
        assert f"{words}, then where D looks, 1 times at most\n" in capsys.readouterr().out
