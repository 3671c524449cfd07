"""Mutated files for every reader: each is refused in one line that names it, or read as what it is.

A reader is given files that are right but for a few bytes, lines or values, as a torn disk, a bad copy or somebody
hostile leaves them. Stores are also changed inside and given a checksum that is right again. Counted are files that
were refused, files that were read, and raw exceptions, hangs and memories half replaced: of the last three there
should be none.

Examples:
    python tests/fuzz/run.py
    python tests/fuzz/run.py --files 300 --only store --json figures.json
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from readers import READERS, Reader

from guidegan_plugin.errors import GuideError
from guidegan_plugin.hosts.excepthook import in_one_line

SECONDS = 20  # a file that takes longer hangs


class Hang(BaseException):
    """No error that a reader may catch."""


@dataclass
class Outcome:
    """What became of the files of one reader."""

    files: int
    refused: int
    read: int
    bad: list[str]
    seconds: float

    def as_dict(self) -> dict[str, object]:
        return {"files": self.files, "refused": self.refused, "read": self.read, "bad": len(self.bad)}


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raise :class:`Hang` in what takes longer."""

    def stop(*_: object) -> None:
        raise Hang

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def fuzz(reader: Reader, files: int, seed: int, folder: Path) -> Outcome:
    """Give a reader mutated files.

    Args:
        reader: The reader.
        files: How many.
        seed: The same seed makes the same files.
        folder: An empty one, to write them into.
    """
    act = reader.prepare(folder)
    whole = act.path.read_bytes()
    act()  # the file as it is
    counts: Counter[str] = Counter()
    bad: list[str] = []
    begun = time.perf_counter()
    for number in range(files):
        rng = random.Random(f"{seed} {reader.name} {number}")
        act.path.write_bytes(reader.mutate(rng, whole))
        word = _word(act, act.path)
        counts[word.partition(":")[0]] += 1
        if word not in ("refused", "read"):
            bad.append(f"file {number}: {word}")
    return Outcome(files, counts["refused"], counts["read"], bad, time.perf_counter() - begun)


def _word(act: Callable[[], None], path: Path) -> str:
    """``refused``, ``read``, or what went wrong."""
    try:
        with limit(SECONDS):
            act()
    except GuideError as error:
        line = in_one_line(error)
        if not line.isprintable():
            return f"not one line: {line!r}"
        return "refused" if path.name in line else f"unnamed: {line}"
    except Hang:
        return "hang"
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"raw: {type(error).__name__}: {str(error)[:100]} ({Path(frame.filename).name}:{frame.lineno})"
    return "read"


def main(arguments: list[str] | None = None) -> int:
    """Run all readers; 1 if one did anything but refuse or read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="mutated files a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", metavar="READER", choices=[reader.name for reader in READERS])
    parser.add_argument("--json", type=Path, help="also write the counts there")
    args = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    outcomes = {}
    print(f"{'reader':28}{'files':>8}{'refused':>9}{'read':>7}{'bad':>5}{'seconds':>9}", flush=True)
    for reader in READERS:
        if args.only and reader.name not in args.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = outcomes[reader.name] = fuzz(reader, args.files, args.seed, Path(folder))
        row = f"{reader.name:28}{found.files:8}{found.refused:9}{found.read:7}{len(found.bad):5}{found.seconds:9.0f}"
        print(row, flush=True)
        for line, count in Counter(line.partition(": ")[2] for line in found.bad).most_common(5):
            print(f"    {count} x {line}", flush=True)
    if args.json:
        told = {name: found.as_dict() for name, found in outcomes.items()}
        args.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return int(any(found.bad for found in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
