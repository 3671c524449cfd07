"""Reads a training run: the pages' images in ``web/images``, and the memory in ``<epoch>_guide.safetensors``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from guidegan_plugin.hosts.junyanz.result_folder import between, read_images
from guidegan_plugin.plugins.sample import Run, Sample
from guidegan_plugin.plugins.sources import Sources
from guidegan_plugin.plugins.stored_run import read_stores

_LONGEST = 1 << 20  # characters of options that are read; a host writes some thousands


def read_pages(run: Path) -> list[Sample]:
    """What the host showed on its own pages while it trained, an epoch a sample."""
    samples = read_images(run / "web" / "images", run)
    return [replace(sample, group=f"pages, {sample.group}" if sample.group else "pages") for sample in samples]


def read_memories(run: Path) -> Run:
    """Attention over epochs for fixed images.

    Args:
        run: A folder of checkpoints. Source images are shown where ``train_opt.txt`` leads to them.

    Raises:
        StoreError: If a store is torn or foreign.
    """
    sources = sources_of(run)
    return read_stores(run, sources.find, sources.half("A"), between)


def sources_of(run: Path, root: Path | None = None) -> Sources:
    """What ``train_opt.txt`` says of the source images.

    Args:
        run: A folder of checkpoints.
        root: Where the user says the data root is; None where nobody said it.
    """
    path = run / "train_opt.txt"
    found = _named_values(path) if path.is_file() else {}
    # It may be relative to where the training was started: mostly here, or where the checkpoints are, which may be a
    # link to another drive.
    bases = dict.fromkeys((Path(), *run.absolute().parents[:3], *run.resolve().parents[:3]))
    told = [base / found["dataroot"] for base in bases] if "dataroot" in found else []
    if not re.fullmatch("(.*_)?aligned", found.get("dataset_mode", "")):
        return Sources(told if root is None else [root])
    side = int(found.get("direction") == "BtoA")
    # A model of two directions on pairs reads the other half in the other one.
    return Sources(told if root is None else [root], lambda pair: 1 - side if pair == "B" else side)


def _named_values(path: Path) -> dict[str, str]:
    """Lines ``name: value  [default: ...]``."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = file.read(_LONGEST).splitlines()
    found = {}
    for line in lines:
        name, colon, value = line.strip().partition(": ")
        if colon and re.fullmatch(r"\w+", name):
            found[name] = value.partition("[default: ")[0].strip()
    return found
