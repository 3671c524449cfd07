"""The benchmarks of the memory run at small sizes and print what they write."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


def figures_of(python: str, folder: Path, script: str, *options: object) -> tuple[dict[str, Any], str]:
    """What a script writes, and what it prints."""
    command = [python, BENCHMARKS / script, *options, "--json", folder / "figures.json"]
    printed = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True, timeout=100).stdout
    return json.loads((folder / "figures.json").read_text()), printed


@pytest.mark.slow
def test_what_a_store_costs_is_printed_and_written(tmp_path: Path, warm_python: str) -> None:
    figures, printed = figures_of(warm_python, tmp_path, "store.py", "--images", 1500, "--rounds", 20, "--side", 5)
    assert printed.startswith("1500 images, maps of 5 x 5\n")
    for name in ("fill", "statistics", "save", "load"):
        assert f"{name} {figures[f'{name}_cpu_s']:.2f} s of CPU time, {figures[f'{name}_s']:.2f} s" in printed
    assert f"read {figures['read_us']:.0f} us, write {figures['write_us']:.0f} us a batch of 8" in printed
    assert 1500 * 25 < figures["file_bytes"] < 1500 * 150
    assert figures["bytes_an_image"] < figures["peak_bytes_loading"] and figures["machine"].keys() >= {"torch", "cores"}


@pytest.mark.slow
def test_what_a_store_on_the_disk_costs_is_printed_and_written(tmp_path: Path, warm_python: str) -> None:
    options = ("--images", 1500, "--rounds", 20, "--side", 5, "--store", "mmap", "--save-every", 400)
    figures, printed = figures_of(warm_python, tmp_path, "store.py", *options)
    assert printed.startswith("1500 images, maps of 5 x 5\n")
    for name in ("fill", "save", "change", "statistics", "load"):
        assert f"{name} {figures[f'{name}_cpu_s']:.2f} s of CPU time, {figures[f'{name}_s']:.2f} s" in printed
    assert f"read {figures['read_us']:.0f} us, write {figures['write_us']:.0f} us a batch of 8" in printed
    assert f"{figures['file_bytes'] / 1500:.0f} bytes an image on the disk" in printed
    assert 1500 * 80 < figures["file_bytes"] < 1500 * 400 and figures["images_changed"] == 15


@pytest.mark.slow
def test_formats_of_a_file_of_maps_are_compared_and_damaged_copies_of_ours_never_crash(
    tmp_path: Path, warm_python: str
) -> None:
    options = ("--images", 600, "--rounds", 20, "--formats", "sqlite", "memmap", "--damaged", 6)
    figures, printed = figures_of(warm_python, tmp_path, "disk_formats.py", *options)
    for name in ("sqlite", "memmap"):
        assert f"{name} {{" in printed and 1000 < figures[name]["bytes_an_image"] < 2500
    assert sum(figures["sqlite"]["damaged"].values()) == 6 and "crashed" not in figures["sqlite"]["damaged"]


@pytest.mark.slow
def test_what_an_exchange_costs_is_printed_and_written(tmp_path: Path, warm_python: str) -> None:
    figures, printed = figures_of(warm_python, tmp_path, "exchange.py", "--keys", 50, "--side", 3, "--epochs", 2)
    assert figures["images"] == 95 and figures["us"] > 0, "every tenth image is one of both processes"
    assert f"2 processes of 50 keys each: {figures['cpu_us']:.1f} us of CPU time a key" in printed
