"""The scripts that run many benchmarks go on where they were stopped, and say what is missing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


pytestmark = pytest.mark.slow
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, warm_python: str) -> Run:
    """Run a script whose output goes to ``tmp_path / "out"``."""

    def call(*options: object, script: str = "gpu.py") -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        command = [*map(str, (warm_python, BENCHMARKS / script, tmp_path / "out", *options))]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)

    return call


def test_without_a_gpu_one_line_says_how_to_try_it(run: Run, tmp_path: Path) -> None:
    done = run()
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "--rehearse" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_part_that_is_done_is_not_repeated_and_one_without_time_is_named(run: Run, tmp_path: Path) -> None:
    done = run("--rehearse", "--only", "map")
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "out" / "map.json"
    figures = json.loads(path.read_text())
    assert figures["machine"]["GPU"] == "none" and figures["results"]["PatchGAN"]["map_ms"]
    before = path.stat().st_mtime_ns
    again = run("--rehearse", "--only", "map", "--minutes", 0)
    assert again.returncode == 0 and path.stat().st_mtime_ns == before
    short = run("--rehearse", "--only", "step", "--minutes", 0)
    assert short.returncode == 1 and "step, rhp, float32: no time was left" in short.stdout
    assert not (tmp_path / "out" / "step.json").exists()


def test_figures_of_a_cpu_name_the_machine_and_the_versions(run: Run, tmp_path: Path) -> None:
    done = run("--rehearse", "--only", "map", script="cpu.py")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "out" / "map.json").read_text())
    assert figures["machine"].keys() >= {"cores", "torch", "python"}
    assert figures["results"]["PatchGAN"]["map_ms"]
