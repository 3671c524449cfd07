"""Reads a training run: the pages' images in ``web/images``, and the memory in ``<epoch>_guide.safetensors``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guidegan_plugin.hosts.junyanz.result_folder import between, read_images
from guidegan_plugin.plugins.sample import Run, Sample
from guidegan_plugin.plugins.stored_run import read_stores
from guidegan_plugin.utils.keys import place_of

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
    options = _options(run)
    return read_stores(run, options.find, options.half, between)


@dataclass(frozen=True)
class _Options:
    """What ``train_opt.txt`` says of the source images.

    Attributes:
        roots: Where the data root may be.
        half: Which half of a side-by-side image is the source, None where images are whole.
    """

    roots: Sequence[Path]
    half: int | None

    def find(self, key: str) -> Path | None:
        return next(filter(None, (place_of(root, key) for root in self.roots)), None)


def _options(run: Path) -> _Options:
    path = run / "train_opt.txt"
    found = _named_values(path) if path.is_file() else {}
    if "dataroot" not in found:
        return _Options((), None)
    side = int(found.get("direction") == "BtoA")
    # It may be relative to where the training was started: mostly here, or where the checkpoints are.
    bases = (Path(), *run.resolve().parents[:3])
    roots = [base / found["dataroot"] for base in bases]
    return _Options(roots, side if re.fullmatch("(.*_)?aligned", found.get("dataset_mode", "")) else None)


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
