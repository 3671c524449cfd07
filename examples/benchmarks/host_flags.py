"""What a measurement needs to know of its host, whichever generation of the junyanz family it is."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from guidegan_plugin.plugins.host import Host

ROOT = Path(__file__).resolve().parents[2]


def described(host: Host) -> str:
    """The host in words, with a folder of this repository by its name there."""
    return host.description.replace(f"{ROOT}/", "")


def host_flags(gpu: bool) -> list[str]:
    """Words for the command line of the host whose modules can be imported.

    Args:
        gpu: Whether the host is to take the first GPU.
    """
    options = importlib.import_module("options.train_options").TrainOptions()
    known, _ = options.initialize(argparse.ArgumentParser()).parse_known_args(["--dataroot", "."])
    words = ["--gpu_ids", "0" if gpu else "-1"] if "gpu_ids" in known else []
    return words + (["--display_id", "-1"] if "display_id" in known else [])  # no visdom server
