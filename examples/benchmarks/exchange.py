"""What several processes take to tell each other what they remember, by gloo on one machine.

Each process writes N images an epoch; every tenth of them is one of the next process, too. Timed is the exchange after
each epoch, CPU time of a process and time that passes, a key that a process tells. The median of the epochs; in the
first one the images of the others are new.

Examples:
    python examples/benchmarks/exchange.py --keys 10000 --ranks 2
    python examples/benchmarks/exchange.py --keys 1000000 --ranks 2 --json figures.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from parts import machine
from store import filled, peak, visit

from guidegan_plugin.guidance.memory.exchange import exchange


def take_part(args: argparse.Namespace) -> None:
    """One process."""
    torch.set_num_threads(1)
    meeting = f"file://{args.folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=args.rank, world_size=args.ranks)
    first, spent = args.rank * (args.keys - args.keys // 10), []
    store = filled(args.keys, args.side, first)
    for _ in range(args.epochs):
        dist.barrier()
        began = time.process_time(), time.perf_counter()
        exchange(store, torch.device("cpu"))
        now = time.process_time(), time.perf_counter()
        spent.append([1e6 * (end - start) / args.keys for start, end in zip(began, now, strict=True)])
        visit(store, args.keys, args.side, first)
    cpu, passed = zip(*spent, strict=True)
    figures = {"cpu_us": statistics.median(cpu), "us": statistics.median(passed), "first_cpu_us": cpu[0]}
    figures |= {"images": len(store), "peak_bytes": peak()}
    (args.folder / f"{args.rank}.json").write_text(json.dumps(figures), encoding="utf-8")
    dist.barrier()
    os._exit(0)  # gloo's threads now and then abort a process that ends while they run


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All processes, of which each is one of the figures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--rank"]
        ranks = [subprocess.Popen([*command, str(rank)]) for rank in range(args.ranks)]
        if any([process.wait() for process in ranks]):  # noqa: C419 - all are waited for
            raise SystemExit("a process failed")
        told = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(args.ranks)]
    figures = {name: statistics.median(one[name] for one in told) for name in told[0]}
    return {"keys": args.keys, "ranks": args.ranks, "side": args.side, **figures}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000, help="that each process tells; %(default)s by default")
    parser.add_argument("--ranks", type=int, default=2, help="processes; %(default)s by default")
    parser.add_argument("--epochs", type=int, default=3, help="%(default)s by default")
    parser.add_argument("--side", type=int, default=31, help="of a map; %(default)s by default")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    for name, kind in {"rank": int, "folder": Path}.items():
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rank is not None:
        take_part(args)
    figures = measure(args)
    print(
        "{ranks} processes of {keys} keys each: {cpu_us:.1f} us of CPU time a key, {us:.1f} us, {first_cpu_us:.1f} us "
        "of CPU time in the first epoch; each remembers {images:.0f} images then".format(**figures)
    )
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
