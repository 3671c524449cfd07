"""What the memory of many images costs: reading and writing a batch, saving, loading, and the memory it takes.

A first process fills a store, reads and writes batches of images drawn at random, and saves. A second process loads the
file. CPU time of the process; medians where something is repeated.

With `--store mmap` a store is saved each time that so many images were visited, as in a training. Then one image in a
hundred is visited again, and saved. The second process opens the file, and visits and saves as many.

Examples:
    python examples/benchmarks/store.py --images 100000
    python examples/benchmarks/store.py --images 1000000 --repeats 3 --json figures.json
    python examples/benchmarks/store.py --images 10000000 --store mmap
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from parts import machine

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.statistics import statistics as facts_of
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, save_stores

CPU = torch.device("cpu")
FILE = "latest_guide.safetensors"


def key(number: int) -> str:
    """Of an image, as long as those of ImageNet."""
    return f"trainA/n{number % 1000:08}/{number:08}.JPEG"


def filled(images: int, side: int, first: int = 0) -> AttentionStore:
    """A store of random maps and views; the images' numbers begin with `first`."""
    store = AttentionStore()
    visit(store, images, side, first)
    return store


def visit(store: AttentionStore, images: int, side: int, first: int = 0) -> None:
    """Write each image once."""
    size, draw = 1024, torch.Generator().manual_seed(first)
    maps = torch.rand(size, 1, side, side, generator=draw)
    views = View.stack([View.crop((x, 3), (256, 256), (286, 286), flip=bool(x % 2)) for x in range(30)])
    theta = views.theta[torch.randint(30, (size,), generator=draw)]
    for start in range(first, first + images, size):
        count = min(size, first + images - start)
        order = torch.randperm(size, generator=draw)[:count]
        store.write([key(number) for number in range(start, start + count)], maps[order], View(theta[order]))


@contextlib.contextmanager
def timed(into: dict[str, list[float]], name: str) -> Iterator[None]:
    """Note the seconds that something takes, CPU time and time that passes."""
    began = time.process_time(), time.perf_counter()
    yield
    into.setdefault(f"{name}_cpu_s", []).append(time.process_time() - began[0])
    into.setdefault(f"{name}_s", []).append(time.perf_counter() - began[1])


def resident() -> int:
    """Bytes of main memory that this process holds (Linux; elsewhere the most that it ever held)."""
    if (pages := Path("/proc/self/statm")).exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize()
    return peak()


def peak() -> int:
    """Bytes of main memory that this process held at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def batches(act: Callable[[list[str]], object], args: argparse.Namespace) -> float:
    """Microseconds that something takes on a batch, the median of many."""
    draw, spent = random.Random(0), []
    for _ in range(args.rounds):
        keys = [key(number) for number in draw.choices(range(args.images), k=args.batch)]
        began = time.process_time_ns()
        act(keys)
        spent.append((time.process_time_ns() - began) / 1e3)
    return statistics.median(spent)


def warm_up(folder: Path) -> None:
    """What PyTorch loads when it is used first is no part of a store."""
    save_stores(folder / "small", {"A": filled(8, 4).state()}, {})
    store = AttentionStore()
    store.load_state(load_stores(folder / "small")[0]["A"], CPU)
    store.recall(list(store))
    facts_of(store)


def fill_and_save(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The first process."""
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    spent: dict[str, list[float]] = {}
    warm_up(folder)
    before = resident()
    with timed(spent, "fill"):
        store = filled(args.images, args.side)
    next(store.chunks())  # what waits is stored
    figures["bytes_an_image_filled"] = (resident() - before) / args.images
    maps = torch.rand(args.batch, 1, args.side, args.side)
    view = View.identity(args.batch)
    figures["read_us"] = batches(store.recall, args)
    figures["write_us"] = batches(lambda keys: store.write(keys, maps, view), args)
    with timed(spent, "statistics"):
        facts_of(store)
    for _ in range(args.repeats):
        with timed(spent, "save"):
            save_stores(folder / FILE, {"A": store.state()}, {})
    figures |= {name: statistics.median(values) for name, values in spent.items()}
    return {**figures, "file_bytes": (folder / FILE).stat().st_size, "peak_bytes_saving": peak()}


def save_on_disk(store: AttentionStore, folder: Path) -> None:
    """Save what was visited since the last save."""
    save_stores(folder / FILE, {"A": store.save(folder, "A", folder / FILE, "--folder")}, {})


def visit_some(store: AttentionStore, args: argparse.Namespace) -> int:
    """Read and write one image in a hundred, drawn at random, in batches."""
    draw, maps = random.Random(1), torch.rand(64, 1, args.side, args.side)
    chosen = [key(number) for number in draw.sample(range(args.images), max(1, args.images // 100))]
    for start in range(0, len(chosen), 64):
        some = chosen[start : start + 64]
        store.recall(some)
        store.write(some, maps[: len(some)], View.identity(len(some)))
    return len(chosen)


def fill_on_disk(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The first process, with maps on the disk."""
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    spent: dict[str, list[float]] = {}
    warm_up(folder)
    before, most, store = resident(), 0, DiskStore()
    for first in range(0, args.images, args.save_every):
        with timed(spent, "fill"):
            visit(store, min(args.save_every, args.images - first), args.side, first)
        most = max(most, resident() - before)
        with timed(spent, "save"):
            save_on_disk(store, folder)
        most = max(most, resident() - before)
    figures["bytes_held_at_most"] = most
    figures |= {name: sum(values) for name, values in spent.items()}
    maps, view, spent = torch.rand(args.batch, 1, args.side, args.side), View.identity(args.batch), {}
    figures["read_us"] = batches(store.recall, args)
    figures["write_us"] = batches(lambda keys: store.write(keys, maps, view), args)
    with timed(spent, "statistics"):
        facts_of(store)
    save_on_disk(store, folder)
    figures["images_changed"] = visit_some(store, args)
    with timed(spent, "change"):
        save_on_disk(store, folder)
    figures |= {name: statistics.median(values) for name, values in spent.items()}
    files = [path for path in folder.iterdir() if path.suffix == ".sqlite"]
    return {**figures, "file_bytes": sum(path.stat().st_size for path in files), "peak_bytes_saving": peak()}


def loaded(kind: type[AttentionStore], folder: Path, args: argparse.Namespace) -> tuple[AttentionStore, dict[str, Any]]:
    """What was saved, in a memory of one kind; with what the loading cost, and the main memory held afterwards."""
    torch.set_num_threads(1)
    spent: dict[str, list[float]] = {}
    warm_up(folder)
    before, held = resident(), 0
    for _ in range(args.repeats):
        store = kind()
        with timed(spent, "load"):
            store.load_state(load_stores(folder / FILE)[0]["A"], CPU)
        assert len(store) == args.images
        held = held or resident() - before
    figures: dict[str, Any] = {name: statistics.median(values) for name, values in spent.items()}
    return store, {**figures, "before": before, "held": held}


def open_on_disk(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The second process, with maps on the disk."""
    store, figures = loaded(DiskStore, folder, args)
    visit_some(store, args)
    save_on_disk(store, folder)
    visited = resident() - figures.pop("before")
    held = {"bytes_held_open": figures.pop("held"), "bytes_held_visited": visited}
    return {**figures, **held, "peak_bytes_loading": peak()}


def show_on_disk(figures: dict[str, Any]) -> None:
    """Print what was measured with maps on the disk."""
    for name in ("fill", "save", "change", "statistics", "load"):
        print(f"{name} {figures[f'{name}_cpu_s']:.2f} s of CPU time, {figures[f'{name}_s']:.2f} s")
    print("{:.0f} bytes an image on the disk".format(figures["file_bytes"] / figures["images"]))
    names = {"at_most": "at most while filled", "open": "once opened", "visited": "after {images_changed} visits"}
    for name, when in names.items():
        print(f"{figures[f'bytes_held_{name}'] / 2**20:.0f} MiB of main memory {when.format(**figures)}")


def load(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The second process."""
    _, figures = loaded(AttentionStore, folder, args)
    del figures["before"]
    return {**figures, "bytes_an_image": figures.pop("held") / args.images, "peak_bytes_loading": peak()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--store", choices=("memory", "mmap"), default="memory", help="%(default)s by default")
    parser.add_argument("--save-every", type=int, default=10**5, help="images, with mmap; %(default)s by default")
    parser.add_argument("--side", type=int, default=31, help="of a map; %(default)s by default")
    parser.add_argument("--batch", type=int, default=8, help="images read and written at once; %(default)s by default")
    parser.add_argument("--rounds", type=int, default=2000, help="batches; %(default)s by default")
    parser.add_argument("--repeats", type=int, default=1, help="of saving and loading; %(default)s by default")
    parser.add_argument("--folder", type=Path, help="where the file is written for a while")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        figures: dict[str, Any] = {"images": args.images, "side": args.side, "batch": args.batch}
        # Processes of their own, so that one does not count the other's memory.
        for act in (fill_and_save, load) if args.store == "memory" else (fill_on_disk, open_on_disk):
            with multiprocessing.get_context("spawn").Pool(1) as process:
                figures |= process.apply(act, (Path(folder), args))
    print("{images} images, maps of {side} x {side}".format(**figures))
    print("read {read_us:.0f} us, write {write_us:.0f} us a batch of {batch}".format(**figures))
    if args.store == "mmap":
        show_on_disk(figures)
    else:
        show(figures)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1) + "\n", encoding="utf-8")


def show(figures: dict[str, Any]) -> None:
    """Print what was measured with maps in main memory."""
    for name in ("fill", "statistics", "save", "load"):
        print(f"{name} {figures[f'{name}_cpu_s']:.2f} s of CPU time, {figures[f'{name}_s']:.2f} s")
    print("{bytes_an_image:.0f} bytes an image loaded, {bytes_an_image_filled:.0f} filled".format(**figures))
    print(
        f"peak {figures['peak_bytes_saving'] / 2**30:.2f} GiB, loading {figures['peak_bytes_loading'] / 2**30:.2f} GiB"
    )


if __name__ == "__main__":
    main()
