"""Options that only one generation of the junyanz family has, and that a measurement needs there."""

from __future__ import annotations

import argparse
import importlib


def host_flags(gpu: bool) -> list[str]:
    """Words for the command line of the host whose modules can be imported.

    Args:
        gpu: Whether the host is to take the first GPU.
    """
    options = importlib.import_module("options.train_options").TrainOptions()
    known, _ = options.initialize(argparse.ArgumentParser()).parse_known_args(["--dataroot", "."])
    words = ["--gpu_ids", "0" if gpu else "-1"] if "gpu_ids" in known else []
    return words + (["--display_id", "-1"] if "display_id" in known else [])  # no visdom server
