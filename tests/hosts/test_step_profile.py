"""A guided step stays easy to follow: few calls of ours, and few moves between our files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmarks" / "step_profile.py"
WAY = (
    ("hosts/junyanz/guides.py", "bind"),
    ("guidance/calls/binding.py", "bind"),
    ("guidance/memory/store.py", "recall"),
    ("guidance/concatenation/transfer.py", "forward"),
    ("guidance/concatenation/residual_hadamard.py", "blend"),
    ("guidance/calls/fake_tracking.py", "mark"),
    ("guidance/calls/fake_tracking.py", "fresh_fake"),
    ("guidance/attention/post_hoc.py", "take_maps"),
    ("guidance/memory/store.py", "write"),
)


@pytest.mark.slow
def test_a_guided_step_makes_few_calls_and_moves_in_the_order_data_flows(tmp_path: Path, warm_python: str) -> None:
    command = [warm_python, str(SCRIPT), "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert done.stdout.startswith("{calls} calls in {files} files, {moves} moves".format(**figures))
    assert 50 < figures["calls"] == len(figures["trace"]) <= 180
    assert 20 < figures["moves"] <= 100
    trace = [(file, function.rpartition(".")[2]) for file, _, function in (x.partition(": ") for x in figures["trace"])]
    places = [trace.index(call) for call in WAY]
    assert places == sorted(places)
