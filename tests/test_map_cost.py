"""The benchmark of a map's cost beside packages for maps runs and prints its ratios."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "benchmarks" / "map_cost.py"


@pytest.mark.slow
def test_figures_of_every_signal_are_printed_and_written(tmp_path: Path, warm_python: str) -> None:
    command = [warm_python, SCRIPT, "--size", 64, "--ndf", 8, "--rounds", 15, "--json", tmp_path / "figures.json"]
    printed = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True, timeout=100).stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures["map_ms"]) == {"activation", "gradcam", "gradient"}
    assert "grad-cam" in figures["package_ms"] and "64 px" in printed
    for package, needed in figures["package_ms"].items():
        assert f"{package}, a map" in printed and f"{needed:.3f} ms" in printed
        assert all(spent < needed for spent in figures["map_ms"].values())
