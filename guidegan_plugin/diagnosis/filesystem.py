"""Places: Inception's weights, where a training writes, and how much room there is."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.utils.images import list_images

# At a crop of 256 pixels the paper's layer gives 31 x 31 cells of a byte; view, visits and key stand beside.
_MAP_BYTES = 31 * 31 + 128
_CHECKPOINT = 2**30  # a CycleGAN's networks are 110 MiB a saved epoch


def check_weights(hub: Path) -> Check:
    """Inception's weights, for ``guidegan evaluate kid``.

    Args:
        hub: Torch's folder, as ``torch.hub.get_dir()`` says.
    """
    from guidegan_plugin.evaluation.inception import FILE, SHA256  # lazily, because it imports torch

    path = hub / "checkpoints" / FILE
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        cure = f"guidegan evaluate kid downloads them once; without a network put {FILE} there"
        return Check("weights for KID", "warning", f"not at {path}: {error.strerror}", cure)
    if digest != SHA256:
        found = f"{path} is damaged: SHA-256 {digest[:8]}..., expected {SHA256[:8]}..."
        return Check("weights for KID", "failure", found, "delete it; guidegan evaluate kid downloads it again")
    return Check("weights for KID", "ok", str(path))


def check_writing(root: Path, host: Host | None = None) -> Check:
    """Whether a training started in a folder may write its checkpoints; tried, because permissions do not tell all.

    Args:
        root: Where the training is started.
        host: The codebase there; None where nobody knows it.
    """
    named = root / host.checkpoints if host is not None else root
    folder = named if named.is_dir() else root
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cure = f"let {folder} be written to, or {_elsewhere(host)}"
        return Check("write access", "failure", f"{folder}: {error.strerror}", cure)
    return Check("write access", "ok", f"{folder} can be written to")


def check_disk(root: Path, dataroot: Path | None = None, host: Host | None = None) -> Check:
    """Free disk against what the maps of a data set take, twice: a new store is whole before the old one goes.

    An estimate at a crop of 256 pixels; ``guidegan run --dry-run`` says it for the very run.

    Args:
        root: Where the training is started.
        dataroot: Its images; None takes the codebase's own folder of images.
        host: The codebase there; None where nobody knows it.
    """
    if dataroot is None and host is not None and host.datasets:
        dataroot = root / host.datasets
    images = 0 if dataroot is None else _count_images(dataroot)
    free, store = shutil.disk_usage(root).free, images * _MAP_BYTES
    found = f"{free / 2**30:.1f} GiB free, maps of {images} images take about {store / 2**20:.1f} MiB"
    if not images:
        found = f"{free / 2**30:.1f} GiB free; --dataroot DIR says how much the maps of its images take"
    if free < 2 * store:
        return Check("free disk", "failure", found, f"free space, or {_elsewhere(host)}")
    if free < 2 * store + _CHECKPOINT:
        cure = "free space: a CycleGAN's networks take about 110 MiB a saved epoch"
        return Check("free disk", "warning", found, cure)
    return Check("free disk", "ok", found)


def _elsewhere(host: Host | None) -> str:
    option = host.checkpoints_option if host is not None else ""
    return f"train with {option} elsewhere" if option else "train elsewhere"


def _count_images(folder: Path) -> int:
    try:
        return len(list_images(folder, deep=True))
    except OSError:  # whoever reads the images says it
        return 0
