"""The benchmark of a step's cost prints its figures, and guidance costs no forward pass."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmarks" / "step_overhead.py"
CYCLE = ["--size", 32, "--", "--netG", "resnet_6blocks", "--netD", "n_layers", "--n_layers_D", 2]
PIX = ["--model", "pix2pix", "--size", 128, "--", "--netG", "unet_128", "--guide_concat", "alpha"]


def benchmark(python: str, folder: Path, *options: object) -> tuple[str, dict]:
    command = [python, SCRIPT, "--rounds", 2, "--warmup", 1, "--json", folder / "figures.json", *options]
    command += ["--ngf", 4, "--ndf", 4]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads((folder / "figures.json").read_text())


@pytest.fixture(scope="module")
def script(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(SCRIPT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "passes"),
    [(CYCLE, {"G_A": 3, "G_B": 3, "D_A": 3, "D_B": 3}), (PIX, {"G": 1, "D": 3})],
    ids=["cycle_gan with rhp", "pix2pix with alpha"],
)
def test_figures_are_printed_and_written_and_guidance_adds_no_forward_pass(
    warm_python: str, tmp_path: Path, options: list[object], passes: dict[str, int]
) -> None:
    printed, figures = benchmark(warm_python, tmp_path, *options)
    assert figures["bare"]["forward_passes"] == figures["guided"]["forward_passes"] == passes
    for name in ("bare_seconds", "null_over_bare", "guided_over_bare"):
        spread = figures[name]
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]
        assert re.search(rf"{name.replace('_', ' ')} +{spread['median']:.4f}", printed)
    above = figures["guided_over_bare"]["median"] / figures["null_over_bare"]["median"]
    assert figures["guided_above_null"] == pytest.approx(above)
    assert re.search(rf"guided above null +{above:.4f}", printed)
    assert re.search(r"guided: forward passes G.* peak memory [\d.]+ MiB; synchronisations not measured", printed)
    assert 1 <= figures["peak_guided_over_bare"] < 1.2


@pytest.mark.slow
@pytest.mark.parametrize(("options", "name"), [([], "bare"), (["--guide_concat", "alpha"], "guided")])
def test_one_model_is_timed_alone(warm_python: str, tmp_path: Path, options: list[object], name: str) -> None:
    printed, figures = benchmark(warm_python, tmp_path, "--alone", "--autocast", *CYCLE, *options)
    assert figures["seconds"]["median"] > 0 and figures[name]["launches"] == "not measured"
    assert {"bare", "null", "guided"} & figures.keys() == {name} and f"{name}: forward passes G_A 3" in printed


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["visdom", "dead"])
def test_a_monitored_training_is_timed_by_the_clock(warm_python: str, tmp_path: Path, monitor: str) -> None:
    pytest.importorskip("visdom")
    printed, figures = benchmark(warm_python, tmp_path, "--wall", "--monitor", monitor, *CYCLE)
    assert f"wall time, monitor {monitor}" in printed and figures["guided_above_null"] > 0
    assert (figures["settings"]["windows"] >= 8) == (monitor == "visdom")


def test_a_bare_model_gets_the_options_that_are_not_ours(script: ModuleType) -> None:
    options = ["--guide_concat", "alpha", "--ngf", "8", "--guide_no_visuals", "--guide_layer=3", "--no_flip"]
    assert script.without_guidance(options) == ["--ngf", "8", "--no_flip"]


def test_no_model_is_favoured_by_its_place_in_a_round(script: ModuleType) -> None:
    rounds = list(islice(script.orders(0), 12))
    for place in zip(*rounds, strict=True):
        assert [place.count(name) for name in ("bare", "null", "guided")] == [4, 4, 4]


def test_timed_rounds_come_in_every_order_equally_often_whatever_the_warm_up(script: ModuleType) -> None:
    args = SimpleNamespace(seed=0, warmup=3)
    timed = Counter(islice(script._orders(args, ("bare", "null", "guided")), 3, 3 + 12))
    assert len(timed) == 6 and set(timed.values()) == {2}


def test_peak_memory_counts_what_is_made_and_alive_at_once(load_script: Callable[[Path], ModuleType]) -> None:
    given = torch.ones(1000)
    gc.collect()
    with load_script(SCRIPT.with_name("inspection.py")).TensorBytes() as counter:
        given.add_(1)
        kept = given + 1  # 4000 bytes
        double = kept.double()  # 8000 bytes
        view = double[:10]
        del double
        assert counter.alive == 12000
        del view
        assert counter.alive == 4000
        torch.zeros(500)  # 2000 bytes
    assert counter.peak == 12000
    assert len(kept) == 1000
