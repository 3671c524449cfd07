"""The script that counts launches prints and writes what guidance adds to a step of the reference host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmarks" / "launches.py"
SMALL = ["--size", 64, "--", "--netG", "resnet_6blocks", "--ngf", 4, "--ndf", 4]


@pytest.fixture(scope="module")
def script(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(SCRIPT)


def test_views_and_allocations_are_no_launches(script: ModuleType) -> None:
    images = torch.ones(2, 3, 4, 4, device="meta")
    with script.Operations() as operations:
        torch.empty_like(images)[:1].flatten(1).transpose(0, 1)
    assert not operations.launches and not operations.on_cpu
    with script.Operations() as operations:
        images.mul_(torch.ones(()))
        images.sum()
    assert operations.launches == {"mul_": 1, "sum": 1}
    assert operations.on_cpu == {"ones": 1}


@pytest.mark.slow
def test_added_launches_are_printed_and_written(tmp_path: Path, warm_python: str) -> None:
    command = [warm_python, SCRIPT, "--json", tmp_path / "figures.json", "--steps", 1, "--mechanisms", "rhp", *SMALL]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    one, eight = json.loads((tmp_path / "figures.json").read_text())["steps"]
    assert (one["batch_size"], eight["batch_size"]) == (1, 8)
    for step in (one, eight):
        assert step["added_launches"] == sum(step["launches_by_name"].values()) > 0
        assert step["added_waits"] == 0
        assert f" {step['bare_launches']} " in done.stdout and f" {step['added_launches']:.1f} " in done.stdout
