"""--guide_preset: the paper's settings as defaults, and what is typed wins."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.hosts.junyanz import presets
from guidegan_plugin.hosts.junyanz.import_hook import VirtualModules
from guidegan_plugin.hosts.junyanz.presets import FAMILY_DEFAULTS, PRESETS, SOURCES

REFERENCE_HOST = Path(__file__).resolve().parent.parent.parent / "examples" / "reference_host"
UNPAIRED = {
    "netD": "basic",
    "norm": "instance",
    "batch_size": 1,
    "lr": 0.0002,
    "beta1": 0.5,
    "gan_mode": "lsgan",
    "lambda_A": 1.0,
    "lambda_B": 1.0,
    "lambda_identity": 0.0,
    "guide_attention": "pha",
    "guide_concat": "rhp",
}
# Appendix A in the order netG, load_size, crop_size, n_epochs, n_epochs_decay.
APPENDIX_A = {
    "apple2orange": ("resnet_9blocks", 286, 256, 100, 100),
    "horse2zebra": ("resnet_9blocks", 286, 256, 50, 50),
    "summer2winter": ("resnet_9blocks", 286, 256, 100, 100),
    "day2night": ("resnet_9blocks", 286, 256, 50, 50),
    "cityscapes_unpaired": ("resnet_6blocks", 143, 128, 100, 100),
    "cityscapes_paired": ("unet_128", 143, 128, 100, 100),
}


@pytest.fixture
def parse(in_host: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Parse a command line as the reference host's train.py or test.py does."""
    monkeypatch.syspath_prepend(str(REFERENCE_HOST))
    finder = VirtualModules()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])

    def call(script: str, *arguments: object) -> dict[str, Any]:
        in_host()
        monkeypatch.setattr(sys, "argv", [f"{script}.py", "--dataroot", ".", *map(str, arguments)])
        module = importlib.import_module(f"options.{script}_options")
        return vars(getattr(module, f"{script.capitalize()}Options")().gather_options())

    return call


@pytest.mark.parametrize("task", sorted(APPENDIX_A))
def test_a_preset_sets_appendix_a_and_no_option_the_host_lacks(parse: Any, task: str) -> None:
    model = "guide_pix2pix" if task == "cityscapes_paired" else "guide_cycle_gan"
    before = parse("train", "--model", model)
    options = parse("train", "--model", model, "--guide_preset", f"paper:{task}")
    assert set(options) == set(before)
    names = ("netG", "load_size", "crop_size", "n_epochs", "n_epochs_decay")
    assert tuple(options[name] for name in names) == APPENDIX_A[task]
    rest = dict(UNPAIRED)
    if task == "cityscapes_paired":
        rest = {name: value for name, value in rest.items() if "lambda" not in name} | {"lambda_L1": 1.0}
    assert {name: options[name] for name in rest} == rest
    untouched = set(options) - {*names, *rest, "guide_preset"}
    assert {name: options[name] for name in untouched} == {name: before[name] for name in untouched}


def test_what_is_typed_wins(parse: Any) -> None:
    typed = ["--n_epochs", 3, "--lambda_A", 7, "--guide_concat", "alpha", "--netG", "resnet_6blocks"]
    options = parse("train", "--model", "guide_cycle_gan", *typed, "--guide_preset", "paper:horse2zebra")
    assert (options["n_epochs"], options["lambda_A"], options["guide_concat"]) == (3, 7, "alpha")
    assert (options["netG"], options["n_epochs_decay"], options["lambda_B"]) == ("resnet_6blocks", 50, 1)


def test_a_test_builds_the_same_networks_and_takes_images_whole(parse: Any) -> None:
    for model in ("guide_cycle_gan", "guide_test"):
        options = parse("test", "--model", model, "--guide_preset", "paper:cityscapes_unpaired")
        assert (options["netG"], options["norm"]) == ("resnet_6blocks", "instance")
        assert options["load_size"] == options["crop_size"] == 128
        assert not {"n_epochs", "lambda_A", "lr"} & set(options)


@pytest.mark.parametrize("pix2pix", [False, True])
def test_the_familys_defaults_are_as_the_table_says(parse: Any, pix2pix: bool) -> None:
    options = parse("train", "--model", "guide_pix2pix" if pix2pix else "guide_cycle_gan")
    expected = {name: values[pix2pix] for name, values in FAMILY_DEFAULTS.items() if values[pix2pix] != "-"}
    assert {name: options[name] for name in expected} == expected
    assert not {name for name, values in FAMILY_DEFAULTS.items() if values[pix2pix] == "-"} & set(options)


def test_every_value_says_where_it_stands() -> None:
    for preset in PRESETS.values():
        assert set(preset.options()) <= set(SOURCES) == set(FAMILY_DEFAULTS)


def test_forks_that_name_their_epochs_otherwise_are_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--guide_preset", default="")
    parser.add_argument("--niter", type=int, default=100)
    monkeypatch.setattr(sys, "argv", ["train.py", "--guide_preset", "paper:day2night"])
    presets.set_defaults(parser, "cycle_gan", True)
    assert vars(parser.parse_args()) == {"guide_preset": "paper:day2night", "niter": 50}


def test_ours_is_for_every_model_and_changes_options_of_the_guidance_alone(parse: Any) -> None:
    for script, model in (("train", "guide_cycle_gan"), ("test", "guide_pix2pix"), ("test", "guide_test")):
        before = parse(script, "--model", model)
        options = parse(script, "--model", model, "--guide_preset", "recommended")
        changed = {name: value for name, value in options.items() if before[name] != value}
        assert changed == {"guide_preset": "recommended", "guide_concat": "gradient"}
        typed = parse(script, "--model", model, "--guide_preset", "recommended", "--guide_concat", "rhp")
        assert typed["guide_concat"] == "rhp"


@pytest.mark.parametrize(
    ("model", "preset", "message"),
    [
        ("guide_pix2pix", "paper:day2night", r"paper:day2night is for unpaired data and model guide_pix2pix .*--model"),
        ("guide_cycle_gan", "paper:cityscapes_paired", r"is for paired data and model guide_cycle_gan .*guide_pix2pix"),
        (
            "guide_cycle_gan",
            "horse2zebra",
            r"'horse2zebra' is unknown, known are: recommended, paper:apple2orange, .*--guide_preset",
        ),
    ],
)
def test_a_preset_that_does_not_fit_is_refused_in_one_line(parse: Any, model: str, preset: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse("train", "--model", model, "--guide_preset", preset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("model", "task"), [("cycle_gan", "cityscapes_unpaired"), ("pix2pix", "cityscapes_paired")])
def test_a_preset_trains(
    run_host: Callable[..., None], request: pytest.FixtureRequest, one_epoch: list[str], model: str, task: str
) -> None:
    root = request.getfixturevalue("paired" if model == "pix2pix" else "unpaired")
    options = ["--dataroot", root, "--name", "run", "--model", f"guide_{model}", "--guide_preset", f"paper:{task}"]
    run_host("train.py", *options, *one_epoch, "--ngf", 4, "--ndf", 4, "--num_threads", 0, "--max_dataset_size", 1)
    weights = torch.load(next(Path("checkpoints/run").glob("latest_net_G*.pth")), weights_only=True)
    assert next(iter(weights.values())).shape[1] == 3
    typed = (Path("checkpoints/run") / "train_opt.txt").read_text()
    assert "lambda_L1: 1.0" in typed or "lambda_A: 1.0" in typed
