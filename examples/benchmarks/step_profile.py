"""How many calls of ours one guided step makes, and how often they move from one file of ours to another.

The reference host trains a small CycleGAN at 128 px on a few images drawn on the spot, which our `guide_unaligned` data
set reads. Profiled is one step in the middle of the second epoch: every image has been visited, and is seen under
another crop now. The step is `set_input` and `optimize_parameters`; the loader's work is not part of it.

A *call* is a Python frame that is entered and whose code lies in the package: functions, lambdas and comprehensions
that have a frame of their own (before Python 3.12), and a generator each time it goes on. A *move* is a call that lies
in another file than the call of ours before it.

Examples:
    python examples/benchmarks/step_profile.py
    python examples/benchmarks/step_profile.py --json figures.json
    python examples/benchmarks/step_profile.py --trace -- --guide_concat alpha
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import guidegan_plugin
from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.plugins.find_host import recognise

HOST = Path(__file__).parents[1] / "reference_host"
PACKAGE = Path(guidegan_plugin.__file__).parent
NETS = ["--ngf", 4, "--ndf", 8, "--netG", "resnet_6blocks"]

# One call: the file, relative to the package, and the function in it.
Call = tuple[str, str]


def calls_during(act: Callable[[], object]) -> list[Call]:
    """The calls of the package's functions that something makes in this thread, in their order."""
    calls: list[Call] = []
    inside = f"{PACKAGE}{os.sep}"

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(inside):
            calls.append((code.co_filename.removeprefix(inside), getattr(code, "co_qualname", code.co_name)))

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def moves(calls: list[Call]) -> int:
    """How often a call lies in another file than the one before."""
    return sum(before != after for (before, _), (after, _) in itertools.pairwise(calls))


def guided_model(scratch: Path, images: int, size: int, seed: int, options: list[str]) -> tuple[Any, Any]:
    """A guided CycleGAN of the reference host, and the batches of one epoch."""
    write_unpaired(scratch / "data", size, images, 1, seed, workers=1)
    command = ["--dataroot", scratch / "data", "--checkpoints_dir", scratch, "--name", "profile", *NETS]
    command += ["--model", "guide_cycle_gan", "--num_threads", 0, "--load_size", round(size * 286 / 256)]
    # In the images' order, so that the first epoch visits every one of both domains.
    command += ["--crop_size", size, "--serial_batches", *options]
    sys.argv = ["train.py", *map(str, command)]
    parsed = importlib.import_module("options.train_options").TrainOptions().parse()
    parsed.device = torch.device("cpu")
    torch.manual_seed(seed)
    random.seed(seed)
    model = importlib.import_module("models").create_model(parsed)
    model.setup(parsed)
    return model, importlib.import_module("data").create_dataset(parsed)


def step(model: Any, batch: dict[str, Any]) -> None:
    """One training step as in the host's loop."""
    model.set_input(batch)
    model.optimize_parameters()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Train into the second epoch and profile the step in its middle."""
    torch.set_num_threads(1)
    host = recognise(HOST)
    sys.path.insert(0, str(HOST))
    with tempfile.TemporaryDirectory() as scratch, host.guided(), contextlib.redirect_stdout(io.StringIO()):
        model, loader = guided_model(Path(scratch), args.images, args.size, args.seed, args.options)
        for batch in loader:
            step(model, batch)
        model.update_learning_rate()
        *before, profiled = itertools.islice(loader, max(args.images // 2, 1))
        for batch in before:
            step(model, batch)
        calls = calls_during(lambda: step(model, profiled))
    return {
        "calls": len(calls),
        "files": len({file for file, _ in calls}),
        "moves": moves(calls),
        "by_function": {f"{file}: {name}": count for (file, name), count in Counter(calls).most_common()},
        "trace": [f"{file}: {name}" for file, name in calls],
    }


def report(figures: dict[str, Any]) -> str:
    """The figures in words, and the functions called most."""
    lines = ["{calls} calls in {files} files, {moves} moves between files".format(**figures)]
    lines += [f"{count:6}  {name}" for name, count in itertools.islice(figures["by_function"].items(), 15)]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    own = list(itertools.takewhile(lambda argument: argument != "--", sys.argv[1:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well, with every call in its order")
    parser.add_argument("--trace", action="store_true", help="print every call in its order")
    for name, value in {"size": 128, "images": 4, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="%(default)s by default")
    args = parser.parse_args(own)
    args.options = sys.argv[len(own) + 2 :]
    figures = measure(args)
    print("\n".join(figures["trace"]) if args.trace else report(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
