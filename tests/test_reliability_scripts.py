"""Short forms of the benchmarks behind docs/reliability.md: kills with resumes, and a soak."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"

pytestmark = pytest.mark.slow


def figures_of(python: str, script: str, folder: Path, *options: str) -> dict[str, Any]:
    """Run a script that has to end well, and read what it wrote."""
    command = [python, str(BENCHMARKS / script), "--json", str(folder / "figures.json"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    return json.loads((folder / "figures.json").read_text())


@pytest.mark.parametrize("store", ["memory", "mmap"])
def test_killed_trainings_lose_nothing_and_are_resumed_without_a_traceback(
    warm_python: str, tmp_path: Path, store: str
) -> None:
    figures = figures_of(warm_python, "kills.py", tmp_path, "--kills", "10", "--store", store)
    assert sum(count for landed in figures["landed"].values() for count in landed.values()) == 10
    assert figures["lost"] == figures["tracebacks"] == 0 and not figures["faults"]
    inside = sum(landed.get("writing", 0) + landed.get("moving", 0) for landed in figures["landed"].values())
    assert inside >= 3, "kills land inside saves"


def test_a_folder_that_can_be_written_to_is_no_read_only_disk(warm_python: str, tmp_path: Path) -> None:
    command = [warm_python, str(BENCHMARKS / "disk_faults.py"), "readonly", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 1 and "store: written" in ended.stdout


def test_a_soaked_training_holds_no_more_tensors_hooks_threads_and_files(warm_python: str, tmp_path: Path) -> None:
    # So few steps say nothing of memory: allocators are still warming up.
    options = ["--steps", "400", "--warm-up", "100", "--limit", "50", "--no-visdom"]
    figures = figures_of(warm_python, "soak.py", tmp_path, *options)
    assert figures["judged"] == {"A": 499, "B": 499}, "the step under way is not counted yet"
    assert all(figures["growth"][name] <= 0 for name in ("tensors", "hooks", "threads", "files"))
