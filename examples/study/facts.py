"""On what a study ran: versions and machine, without names of hosts or folders."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from dataset import fingerprint
from executor import cores

PACKAGES = ("guidegan_plugin", "torch", "torchvision", "numpy", "pillow", "PyYAML", "torch-fidelity", "torchmetrics")


def machine(jobs: int) -> dict[str, object]:
    """Processor or GPUs, cores, and how many trainings ran at a time."""
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    facts: dict[str, object] = {"CPU": _processor(), "cores": cores(), "GPUs": names or "none"}
    return facts | {"system": f"{platform.system()} {platform.machine()}", "trainings at a time": jobs}


def versions() -> dict[str, str]:
    """Of Python and packages; of this repository the commit, where git knows it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found["commit"] = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return found


def made_with(root: Path, judge: Mapping[str, Any]) -> dict[str, str]:
    """What figures depend on besides the settings: versions, the processor, fingerprints of data and judges' weights.

    The processor, since one that adds in another order soon trains other weights.

    Args:
        root: Of the data set.
        judge: What is known of the judges.
    """
    found = versions() | {"processor": _processor(), "data": fingerprint(root)}
    weights = {name: about["weights_sha256"] for name, about in judge.items() if about.get("weights_sha256")}
    return found | {f"weights of {name}": digest[:12] for name, digest in weights.items()}


def command(arguments: Sequence[str] | None = None) -> str:
    """The command as typed, with folders of this machine cut to their names."""
    words = sys.argv[1:] if arguments is None else arguments
    return " ".join(["python examples/study/run.py", *map(_without_folder, words)])


def _without_folder(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{Path(value).name if Path(value).is_absolute() else value}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
