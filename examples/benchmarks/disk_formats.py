"""Which format a memory of many images on disk is kept in: SQLite beside LMDB, zarr and a plain memory-mapped array.

Each format keeps the same rows, of as many bytes as a map of 31 x 31 in 8 bits with its view and counts, and is asked
for the same: write all rows, change one row in a hundred, open and read batches of 8 at random. Then copies of the
file in which one byte was changed, and copies that were cut off, are read in processes of their own. A format without
transactions of its own (zarr, the plain array) is flushed to the disk at the end of a save, no more.

LMDB and zarr are left out where they are not installed (``pip install lmdb zarr``).

Examples:
    python examples/benchmarks/disk_formats.py --images 100000
    python examples/benchmarks/disk_formats.py --images 1000000 --damaged 60 --json figures.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from parts import machine

WIDTH = 961 + 53  # bytes of a row: a map, its view, its counts
CHUNK = 4096
GONE = "crashed"


class Format(Protocol):
    """What is asked of each."""

    def __init__(self, path: Path) -> None: ...

    def save(self, rows: Iterable[tuple[int, bytes]], images: int) -> None:
        """Write rows, in one transaction where there are transactions."""

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """The rows of images."""


def key(number: int) -> bytes:
    """Of an image, as long as those of ImageNet."""
    return f"trainA/n{number % 1000:08}/{number:08}.JPEG".encode()


class Sqlite:
    """SQLite, of the standard library."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE IF NOT EXISTS maps (id INTEGER PRIMARY KEY, key BLOB UNIQUE, row BLOB)")

    def save(self, rows: Iterable[tuple[int, bytes]], images: int) -> None:
        """One transaction, keys in order."""
        upsert = "INSERT INTO maps (key, row) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row"
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(upsert, ((key(number), row) for number, row in rows))
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """By key."""
        marks = ",".join("?" * len(numbers))
        found = self._db.execute(f"SELECT row FROM maps WHERE key IN ({marks})", [key(number) for number in numbers])
        return [row for (row,) in found]


class Lmdb:
    """LMDB."""

    def __init__(self, path: Path) -> None:
        import lmdb  # type: ignore[import-not-found, unused-ignore]  # for this benchmark alone

        self._env = lmdb.open(str(path), map_size=1 << 40, subdir=False, readahead=False)

    def save(self, rows: Iterable[tuple[int, bytes]], images: int) -> None:
        """One transaction, keys in order."""
        with self._env.begin(write=True) as transaction:
            for number, row in rows:
                transaction.put(key(number), row)

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """By key."""
        with self._env.begin() as transaction:
            found = [transaction.get(key(number)) for number in numbers]
        return [row for row in found if row is not None]


class Zarr:
    """A zarr array of chunks of 64 rows; an image's row is its number, since zarr knows no keys."""

    def __init__(self, path: Path) -> None:
        import zarr  # type: ignore[import-not-found, unused-ignore]  # for this benchmark alone

        self._zarr, self._path = zarr, path
        self._array: Any = zarr.open_array(path, mode="r+") if path.exists() else None

    def save(self, rows: Iterable[tuple[int, bytes]], images: int) -> None:
        """Chunk by chunk, without a transaction."""
        if self._array is None:
            self._array = self._zarr.create_array(
                self._path, shape=(images, WIDTH), chunks=(64, WIDTH), dtype="u1", compressors=None
            )
        for numbers, content in _blocks(rows):
            self._array.oindex[numbers] = content

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """By number."""
        content = self._array.oindex[sorted(set(numbers))]
        return [row.tobytes() for row in content]


class Memmap:
    """A plain memory-mapped array of NumPy; an image's row is its number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._array: Any = np.load(path, mmap_mode="r+") if path.exists() else None

    def save(self, rows: Iterable[tuple[int, bytes]], images: int) -> None:
        """In place, without a transaction."""
        if self._array is None:
            self._array = np.lib.format.open_memmap(self._path, mode="w+", dtype=np.uint8, shape=(images, WIDTH))
        for numbers, content in _blocks(rows):
            self._array[numbers] = content
        self._array.flush()

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """By number."""
        return [self._array[number].tobytes() for number in numbers]


FORMATS: dict[str, type[Format]] = {"sqlite": Sqlite, "lmdb": Lmdb, "zarr": Zarr, "memmap": Memmap}
NEEDS = {"lmdb": "lmdb", "zarr": "zarr"}


def _blocks(rows: Iterable[tuple[int, bytes]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    waiting: list[tuple[int, bytes]] = []
    for one in rows:
        waiting.append(one)
        if len(waiting) == CHUNK:
            yield _block(waiting)
            waiting = []
    if waiting:
        yield _block(waiting)


def _block(rows: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    content = np.frombuffer(b"".join(row for _, row in rows), dtype=np.uint8).reshape(-1, WIDTH)
    return np.array([number for number, _ in rows]), content


def made(numbers: Iterable[int], seed: int) -> Iterator[tuple[int, bytes]]:
    """Rows of images, each with a checksum of its key and content at its end."""
    noise = np.random.default_rng(seed).integers(0, 256, CHUNK + WIDTH, dtype=np.uint8).tobytes()
    for number in numbers:
        start = number % CHUNK
        content = noise[start : start + WIDTH - 4]
        yield number, content + zlib.crc32(content, zlib.crc32(key(number))).to_bytes(4, "little")


def measure(name: str, path: Path, images: int, rounds: int) -> dict[str, float]:
    """One format's figures."""
    found: dict[str, float] = {}
    began = time.process_time(), time.perf_counter()
    store = FORMATS[name](path)
    store.save(made(range(images), 0), images)
    found["fill_cpu_s"], found["fill_s"] = time.process_time() - began[0], time.perf_counter() - began[1]
    changed = sorted(random.Random(1).sample(range(images), images // 100))
    began = time.process_time(), time.perf_counter()
    store.save(made(changed, 1), images)
    found["change_cpu_s"], found["change_s"] = time.process_time() - began[0], time.perf_counter() - began[1]
    del store
    start = time.perf_counter()
    store = FORMATS[name](path)
    store.read([images // 2])
    found["open_s"] = time.perf_counter() - start
    draw, spent = random.Random(2), []
    for _ in range(rounds):
        numbers = draw.choices(range(images), k=8)
        start = time.perf_counter()
        store.read(numbers)
        spent.append((time.perf_counter() - start) * 1e6)
    found["read_us"] = statistics.median(spent)
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    found["bytes_an_image"] = sum(one.stat().st_size for one in files) / images
    return found


def look(name: str, path: Path, images: int) -> str:
    """Read every row of a damaged file: what became of it."""
    try:
        store, lost = FORMATS[name](path), 0
        for number in range(images):
            rows = store.read([number])
            lost += not rows
            for row in rows:
                if zlib.crc32(row[:-4], zlib.crc32(key(number))) != int.from_bytes(row[-4:], "little"):
                    return "refused by the row's checksum"
    except Exception:
        return "refused by the format"
    return "rows lost" if lost else "read as it was"


def _looked(name: str, path: Path, images: int, answer: Any) -> None:
    answer.put(look(name, path, images))


def damage(name: str, folder: Path, images: int, trials: int) -> dict[str, int]:
    """How many damaged copies of a small file had which end; a format in many files is damaged in one of them."""
    whole, counts = folder / "whole", dict[str, int]()
    store = FORMATS[name](whole)
    store.save(made(range(images), 0), images)
    del store
    draw, context = random.Random(3), multiprocessing.get_context("fork")
    for trial in range(trials):
        copy = folder / "copy"
        for old in folder.glob("copy*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy)
        files = sorted(one for one in copy.rglob("*") if one.is_file()) if copy.is_dir() else [copy]
        file = draw.choice(files)
        content = bytearray(file.read_bytes())
        if trial % 2:
            file.write_bytes(content[: draw.randrange(len(content))])
        else:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            file.write_bytes(content)
        answer = context.SimpleQueue()
        process = context.Process(target=_looked, args=(name, copy, images, answer))
        process.start()
        process.join()
        end = answer.get() if process.exitcode == 0 else GONE
        counts[end] = counts.get(end, 0) + 1
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="all by default")
    parser.add_argument("--rounds", type=int, default=2000, help="batches that are read; %(default)s by default")
    parser.add_argument("--damaged", type=int, default=0, help="damaged copies that are read; none by default")
    parser.add_argument("--folder", type=Path, help="where the files are written for a while")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args()
    figures: dict[str, Any] = {"machine": machine(), "images": args.images}
    for name in args.formats:
        if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
            print(f"{name}: not installed (pip install {NEEDS[name]})")
            continue
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            found: dict[str, Any] = measure(name, Path(folder) / "file", args.images, args.rounds)
        if args.damaged:
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                found["damaged"] = damage(name, Path(folder), 500, args.damaged)
        figures[name] = found
        print(name, json.dumps(found))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
