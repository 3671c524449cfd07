"""The guard tells losses within the spread of two seeds from others."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmarks" / "fast_guard.py"


@pytest.fixture(scope="module")
def script(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(SCRIPT)


def test_a_loss_is_inside_up_to_the_spread_and_never_where_it_is_not_finite(script: ModuleType) -> None:
    bare, other = {"near": np.zeros(50), "far": np.zeros(50), "lost": np.zeros(50)}, np.ones(50)
    fast = {"near": np.full(50, 0.9), "far": np.full(50, 1.1), "lost": np.r_[np.zeros(49), np.nan]}
    rows = script.compare(bare, dict.fromkeys(bare, other), fast)
    assert {name: row["inside"] for name, row in rows.items()} == {"near": True, "far": False, "lost": False}
    assert rows["near"]["distance"] == pytest.approx(0.9) and rows["near"]["spread"] == 1


def test_blocks_keep_the_last_steps(script: ModuleType) -> None:
    assert script.blocks(np.arange(50.0)).tolist() == [9.5, 29.5, 44.5]


@pytest.mark.slow
def test_bit_equal_pieces_have_no_distance(tmp_path: Path, warm_python: str) -> None:
    command = [warm_python, SCRIPT, "--pieces", "activations", "--steps", 3, "--size", 32, "--json", "guard.json"]
    command += ["--", "--ngf", 4, "--ndf", 4, "--netD", "n_layers", "--n_layers_D", 2]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    losses = json.loads((tmp_path / "guard.json").read_text())["losses"]
    assert {*losses} == {f"{loss}_{side}" for loss in ("D", "G", "cycle", "idt") for side in "AB"}
    assert all(row["distance"] == 0 < row["spread"] and row["inside"] for row in losses.values())
    assert done.stdout.count("inside") == 8
