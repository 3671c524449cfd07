"""What an item costs with views beside the host's own item, in the reference host's unaligned and aligned data sets.

The same item is made by the host's class and by ours, in turns, as CPU time of the process. A third column is the
host's class against itself: what the machine's noise alone makes of a ratio.

Examples:
    python examples/benchmarks/data_loading.py
    python examples/benchmarks/data_loading.py --load-size 1100 --crop-size 1024 --json figures.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HOST = Path(__file__).parents[1] / "reference_host"


def main() -> None:
    """Measure both data sets and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--load-size", type=int, default=286)
    parser.add_argument("--crop-size", type=int, default=256)
    parser.add_argument("--photo-size", type=int, default=0, help="side of the photos; by default twice the load size")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sys.path.insert(0, str(HOST))
    with tempfile.TemporaryDirectory() as root:
        side = args.photo_size or 2 * args.load_size
        figures = {mode: measure(mode, Path(root), side, args) for mode in ("unaligned", "aligned")}
    for mode, found in figures.items():
        print(
            f"{mode}, {args.crop_size} px: host {found['host_ms']:.2f} ms an item, ours {found['ours_ms']:.2f} ms, "
            f"ratio {found['ratio']:.3f} (quartiles {found['quartiles'][0]:.3f} to {found['quartiles'][1]:.3f}), "
            f"null {found['null']:.3f}"
        )
    if args.json:
        args.json.write_text(json.dumps({"sizes": [args.load_size, args.crop_size, side], **figures}, indent=1) + "\n")


def measure(mode: str, root: Path, side: int, args: argparse.Namespace) -> dict[str, Any]:
    """One data set's figures, in milliseconds an item."""
    options = write_photos(mode, root, side, args)
    host = getattr(importlib.import_module(f"data.{mode}_dataset"), f"{mode.capitalize()}Dataset")(options)
    module = importlib.import_module(f"guidegan_plugin.hosts.junyanz.datasets.{mode}")
    ours = getattr(module, f"Guide{mode.capitalize()}Dataset")(options)
    makers = {"host": host, "again": host, "ours": ours}
    spent: dict[str, list[float]] = {name: [] for name in makers}
    for turn in range(args.rounds + 3):
        for name in sorted(makers, key=lambda name: hash((turn, name))):
            began = time.process_time()
            _ = makers[name][turn % len(host)]
            if turn >= 3:  # the first ones import and read
                spent[name].append(time.process_time() - began)
    assert all(item[f"{domain}_guide_view"].isfinite().all() for domain in "AB" for item in [ours[0]])
    ratios = [mine / its for mine, its in zip(spent["ours"], spent["host"], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return {
        "host_ms": 1e3 * statistics.median(spent["host"]),
        "ours_ms": 1e3 * statistics.median(spent["ours"]),
        "ratio": median,
        "quartiles": [low, high],
        "null": statistics.median(a / b for a, b in zip(spent["again"], spent["host"], strict=True)),
    }


def write_photos(mode: str, root: Path, side: int, args: argparse.Namespace) -> argparse.Namespace:
    """Four photo-like JPEGs a domain, or pairs of them, and the host's options."""
    draw = np.random.default_rng(0)
    folder = root / mode
    names, halves = (("trainA", "trainB"), 1) if mode == "unaligned" else (("train",), 2)
    for name in names:
        (folder / name).mkdir(parents=True)
        for index in range(4):
            coarse = draw.integers(0, 256, (side // 16, side // 16 * halves, 3), np.uint8)
            photo = Image.fromarray(coarse).resize((side * halves, side), Image.Resampling.BICUBIC)
            photo.save(folder / name / f"{index}.jpg", quality=90)
    return argparse.Namespace(
        dataroot=str(folder),
        phase="train",
        load_size=args.load_size,
        crop_size=args.crop_size,
        preprocess="resize_and_crop",
        no_flip=False,
        direction="AtoB",
        input_nc=3,
        output_nc=3,
        serial_batches=True,
        max_dataset_size=float("inf"),
        isTrain=True,
    )


if __name__ == "__main__":
    main()
