"""The benchmark of a map's cost beside the package grad-cam runs and prints its ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "benchmarks" / "map_cost.py"


@pytest.mark.slow
def test_figures_of_every_signal_are_printed_and_written(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--size", 64, "--ndf", 8, "--rounds", 15, "--json", tmp_path / "figures.json"]
    printed = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True, timeout=100).stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["map_ms"]) == {"activation", "gradcam", "gradient"}
    assert f"{figures['package_ms']:.3f} ms" in printed and "64 px" in printed
    assert all(spent < figures["package_ms"] for spent in figures["map_ms"].values())
