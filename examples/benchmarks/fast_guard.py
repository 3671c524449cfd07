"""Do the losses of a training under `--guide_fast` stay within what another seed changes?

The reference host trains a CycleGAN three times: bare with seed 0, bare with seed 1, and fast with seed 0, so on the
same weights and batches as the first. Each loss is averaged over blocks of 20 steps. The *spread* is the mean distance
of the two bare trainings' blocks, the *distance* that of the fast and the bare training of one seed. A loss is inside
if its distance is at most its spread. Two seeds are few: one loss just outside asks for a second look, and a loss far
outside says that a piece changes the training.

Examples:
    python examples/benchmarks/fast_guard.py --pieces on
    python examples/benchmarks/fast_guard.py --pieces bf16,graphs --size 256 --json guard.json -- --netG resnet_9blocks
    python examples/benchmarks/fast_guard.py --steps 40 --size 32 --threads 1 -- --ngf 8 --ndf 8
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.plugins.find_host import recognise

HOST = Path(__file__).parents[1] / "reference_host"
BLOCK = 20


def train(scratch: Path, args: argparse.Namespace, device: torch.device, seed: int, fast: bool) -> dict[str, Any]:
    """The losses of a training: a value a step for each."""
    command = ["--dataroot", scratch / "data", "--checkpoints_dir", scratch, "--name", "guard", "--num_threads", 0]
    command += ["--load_size", round(args.size * 286 / 256), "--crop_size", args.size, "--netG", "resnet_6blocks"]
    command += ["--model", "guide_cycle_gan" if fast else "cycle_gan", *args.options]
    command += ["--guide_attention", "none", "--guide_fast", args.pieces] if fast else []
    sys.argv = ["train.py", *map(str, command)]
    options = importlib.import_module("options.train_options").TrainOptions().parse()
    options.device = device
    random.seed(seed)
    torch.manual_seed(seed)
    loader = importlib.import_module("data").create_dataset(options)
    model = importlib.import_module("models").create_model(options)
    model.setup(options)
    steps: list[dict[str, float]] = []
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), args.steps):
        model.set_input(batch)
        model.optimize_parameters()
        steps.append(model.get_current_losses())
    return {name: np.array([losses[name] for losses in steps]) for name in steps[0]}


def blocks(values: Any) -> Any:
    """Means over blocks of steps; a last block that is not full counts, too."""
    return np.array([values[start : start + BLOCK].mean() for start in range(0, len(values), BLOCK)])


def compare(bare: dict[str, Any], other_seed: dict[str, Any], fast: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Distance and spread of each loss, and whether the loss is inside."""
    rows = {}
    for name, values in bare.items():
        one, other, mine = (blocks(losses) for losses in (values, other_seed[name], fast[name]))
        distance, spread = float(np.abs(mine - one).mean()), float(np.abs(other - one).mean())
        inside = bool(np.isfinite(fast[name]).all()) and distance <= spread
        rows[name] = {"distance": distance, "spread": spread, "inside": inside}
    return rows


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Train three times, the fast one last: some pieces are settings of the whole process."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    host = recognise(HOST)
    sys.path.insert(0, str(HOST))
    with tempfile.TemporaryDirectory() as folder, host.guided(), contextlib.redirect_stdout(io.StringIO()):
        write_unpaired(Path(folder) / "data", args.size, 40, 1, 0, workers=1)
        trained = [train(Path(folder), args, device, seed, fast) for seed, fast in ((0, False), (1, False), (0, True))]
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    settings = {"pieces": args.pieces, "steps": args.steps, "size": args.size, "options": " ".join(args.options)}
    return {"settings": {**settings, "device": name, "torch": torch.__version__}, "losses": compare(*trained)}


def report(figures: dict[str, Any]) -> str:
    """The figures in words."""
    lines = ["{pieces}: {steps} steps at {size} px, {device}, torch {torch}".format(**figures["settings"])]
    for name, row in figures["losses"].items():
        where = "inside" if row["inside"] else "outside"
        lines.append(f"{name:10}{where:9}distance {row['distance']:.4f}, spread of two bare seeds {row['spread']:.4f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = list(itertools.takewhile(lambda argument: argument != "--", given))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--pieces", default="on", help="as --guide_fast")
    add("--steps", type=int, default=200, help="steps of each training")
    add("--size", type=int, default=128, help="height and width of images")
    add("--threads", type=int, default=torch.get_num_threads(), help="threads of an operator on a CPU")
    add("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args(own)
    args.options = given[len(own) + 1 :]
    print(report(figures := measure(args)))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
