"""Disks that are full or may not be written to, and two trainings under one name: what becomes of the files.

`full` wants a small file system, and writes with more and more of it left: checkpoint sets, stores, results, galleries
and baked networks. `readonly` wants a folder that may not be written to. `names` lets two processes train under one
name, or with --no-lock shows what the lock keeps apart.

Examples:
    unshare -rm sh -c 'mount -t tmpfs -o size=4m none /mnt; python examples/benchmarks/disk_faults.py full /mnt'
    unshare -rm sh -c 'mount -t tmpfs -o ro none /mnt; python examples/benchmarks/disk_faults.py readonly /mnt'
    python examples/benchmarks/disk_faults.py names /tmp/names --trials 150
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from guidegan_plugin.errors import GuideError, HostError, StoreError
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores
from guidegan_plugin.hosts.junyanz.baking import bake
from guidegan_plugin.hosts.junyanz.checkpoints import complete_set, finish
from guidegan_plugin.reports.gallery import make_gallery
from guidegan_plugin.utils.files import write_output
from guidegan_plugin.utils.locks import FolderLock

STEP = 4096  # bytes between two amounts of space left: a page
NETWORKS = ("G_A", "G_B", "D_A", "D_B")
SAID = ("No space left on device", "Read-only file system", "Permission denied")


def write_set(folder: Path, value: float) -> None:
    """A checkpoint set as the host and the plugin write it, every number in it the same."""
    with complete_set(folder) as writing:
        for name in NETWORKS:
            network = nn.Conv2d(8, 8, 5)
            weights = {key: torch.full_like(tensor, value) for key, tensor in network.state_dict().items()}
            torch.save(weights, writing / f"latest_net_{name}.pth")
        write_store(writing, value)


def write_store(folder: Path, value: float) -> None:
    """A memory of 20 images whose maps are all of one value."""
    store = AttentionStore()
    store.write([f"{number}.png" for number in range(20)], torch.full((20, 1, 30, 30), value / 100))
    save_stores(folder / "latest_guide.safetensors", {"A": store.state()}, {"value": str(value)})


def read_set(folder: Path) -> set[float]:
    """The values in a set; several where it is mixed."""
    finish(folder)
    found = {float(load_stores(folder / "latest_guide.safetensors")[1]["value"])}
    for name in NETWORKS:
        weights = torch.load(folder / f"latest_net_{name}.pth", weights_only=True)
        found |= set(torch.cat([tensor.flatten() for tensor in weights.values()]).tolist())
    return found


def _store_value(folder: Path) -> set[float]:
    return {float(load_stores(folder / "latest_guide.safetensors")[1]["value"])}


def _result(folder: Path, value: float) -> None:
    write_output(folder / "result.json", str(value).encode() * 20_000)


def _result_value(folder: Path) -> set[float]:
    text = (folder / "result.json").read_text()
    return {float(text[: len(text) // 20_000])}


def _gallery(folder: Path, value: float) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as run:
        images = Path(run) / "images"
        images.mkdir()
        for visual in ("real_A", "fake_B"):
            Image.effect_noise((256, 256), 20 + value).save(images / f"{value}_{visual}.png")
        make_gallery(Path(run), folder / "gallery")


def _gallery_value(folder: Path) -> set[float]:
    page = (folder / "gallery" / "index.html").read_text()
    return {
        value for value in (1.0, 2.0, 3.0) if f"{value}" in page and len(list((folder / "gallery").rglob("*.jpg"))) > 1
    }


def _baked(folder: Path, value: float) -> None:
    out = folder / "baked.pth"
    with tempfile.TemporaryDirectory() as place:
        block = {f"model.10.conv_block.{number}.weight": torch.full((8, 8, 9, 9), value) for number in (1, 5)}
        checkpoint = Path(place) / "latest_net_G_A.pth"
        torch.save(
            {"model.1.weight": torch.full((8, 3, 7, 7), value), "model.1.bias": torch.ones(8), **block}, checkpoint
        )
        if out.exists():  # nothing is overwritten
            out.unlink()
        bake(checkpoint, out, "rhp")


def _baked_value(folder: Path) -> set[float]:
    if not (folder / "baked.pth").exists():  # as it was, since nothing was there
        return {1.0}
    return {float(torch.load(folder / "baked.pth", weights_only=True)["model.10.conv_block.1.weight"].mean())}


Write = Callable[[Path, float], None]
Read = Callable[[Path], set[float]]
WRITERS: dict[str, tuple[Write, Read]] = {
    "checkpoint set": (write_set, read_set),
    "store": (write_store, _store_value),
    "result": (_result, _result_value),
    "gallery": (_gallery, _gallery_value),
    "baked network": (_baked, _baked_value),
}


@contextlib.contextmanager
def ballast(folder: Path, left: int) -> Iterator[None]:
    """While it lasts, a file system has so many bytes left."""
    path = folder / "ballast"
    with path.open("wb") as file:
        file.write(bytes(max(shutil.disk_usage(folder).free - left, 0)))
    try:
        yield
    finally:
        path.unlink()


def full(place: Path) -> Counter[str]:
    """Write with less and less space left; what was there has to stay, and the next save to succeed."""
    counts: Counter[str] = Counter()
    if shutil.disk_usage(place).total > 64 << 20:
        raise SystemExit(f"{place} is no small file system; see --help")
    for name, (write, read) in WRITERS.items():
        folder = place / "run"
        folder.mkdir()
        free = shutil.disk_usage(place).free
        write(folder, 1.0)
        size, left = free - shutil.disk_usage(place).free, 0
        while left <= 2 * size + STEP:
            counts[f"{name}: writes"] += 1
            before = {path.name for path in folder.iterdir()}
            if name == "baked network":  # nothing is overwritten
                (folder / "baked.pth").unlink()
            with ballast(place, left):
                word = _attempt(write, folder)
                counts[f"{name}: {word}"] += 1
                if read(folder) != ({2.0} if word == "written" else {1.0}):
                    counts[f"{name}: LOST OR MIXED"] += 1
                if not {path.name for path in folder.iterdir()} <= before:
                    counts[f"{name}: LITTER"] += 1
            write(folder, 1.0)
            left += STEP
        shutil.rmtree(folder)
    return counts


def readonly(place: Path) -> Counter[str]:
    """Write where nothing may be written."""
    return Counter(f"{name}: {_attempt(write, place)}" for name, (write, _) in WRITERS.items())


def _attempt(write: Write, folder: Path) -> str:
    try:
        write(folder, 2.0)
    except GuideError as error:
        said = next((reason for reason in SAID if reason in str(error)), None)
        return f"refused ({said})" if said else f"refused WITHOUT A REASON ({error})"
    except Exception as error:
        return f"RAW {type(error).__name__}: {error}"
    return "written"


def _train(folder: Path, value: float, saves: int, lock: bool, begin: object, told: object) -> None:
    """A training that saves so often, and nothing else."""
    begin.wait()  # type: ignore[attr-defined]  # made by a context, whose types have no names
    try:
        held = FolderLock(folder, "change --name") if lock else None
    except HostError:
        told.put("refused")  # type: ignore[attr-defined]  # made by a context, whose types have no names
        return
    failed = 0
    for _ in range(saves):
        try:
            _small_set(folder, value)
        except StoreError:
            failed += 1
    if held is not None:
        held.release()
    told.put("trained" if not failed else "trained, saves failed")  # type: ignore[attr-defined]  # made by a context, whose types have no names


def _small_set(folder: Path, value: float) -> None:
    with complete_set(folder) as writing:
        for name in NETWORKS:
            (writing / name).write_text(str(value))


def names(place: Path, trials: int, lock: bool) -> Counter[str]:
    """Two trainings under one name at once; count sets that are of both."""
    context = multiprocessing.get_context("fork")
    counts: Counter[str] = Counter()
    for _ in range(trials):
        folder = place / "run"
        folder.mkdir(parents=True)
        begin, told = context.Barrier(2), context.Queue()
        processes = [context.Process(target=_train, args=(folder, n, 3, lock, begin, told)) for n in (1.0, 2.0)]
        for process in processes:
            process.start()
        words = sorted(told.get() for _ in processes)
        for process in processes:
            process.join()
        finish(folder)
        found = {(folder / name).read_text() for name in NETWORKS if (folder / name).exists()}
        counts[" and ".join(words)] += 1
        counts["sets mixed or incomplete"] += len(found) != 1 or not all((folder / name).exists() for name in NETWORKS)
        shutil.rmtree(folder)
    return counts


def main() -> int:
    """Run one of the three; 1 if anything was lost, mixed, left over, raised, or written where nothing can be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=("full", "readonly", "names"))
    parser.add_argument("place", type=Path)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--no-lock", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.fault == "names":
        found = names(args.place, args.trials, not args.no_lock)
    else:
        found = full(args.place) if args.fault == "full" else readonly(args.place)
    for word, count in sorted(found.items()):
        print(f"{count:6}  {word}")
    bad = ("LOST", "LITTER", "RAW", "WITHOUT", "mixed", *["written"] * (args.fault == "readonly"))
    return int(any(count and any(word in name for word in bad) for name, count in found.items()))


if __name__ == "__main__":
    sys.exit(main())
