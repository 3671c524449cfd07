"""What a map costs a training, beside the package grad-cam on the same discriminator (`pip install grad-cam`).

A PatchGAN judges a fake with its graph, as in a generator's update. Timed is what comes on top of that call: for us the
call with the tap less the call without it, for grad-cam a whole run of its own, since it cannot share the host's. All
are measured in turns, in a shuffled order a round, as CPU time of the process.

Examples:
    python examples/benchmarks/map_cost.py
    python examples/benchmarks/map_cost.py --size 256 --batch-size 4 --json figures.json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor

from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.attention.signals import SIGNALS

NETWORKS = Path(__file__).parents[1] / "reference_host" / "models" / "networks.py"


def make_discriminator(ndf: int) -> Any:
    """The PatchGAN of five convolutions of the reference host, frozen as in a generator's update."""
    spec = importlib.util.spec_from_file_location("networks", NETWORKS)
    assert spec is not None and spec.loader is not None
    networks: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    return networks.define_D(3, ndf, "basic", 3, "instance").requires_grad_(False)


def ours(signal: str, ndf: int, tap: str) -> Callable[[Tensor], Tensor | None]:
    """One call of a tapped discriminator, and its map."""
    discriminator, attention = make_discriminator(ndf), PostHocAttention(4, tap, signal=signal)
    attention.attach(discriminator)

    def judge(fake: Tensor) -> Tensor | None:
        attention.listening = True
        return attention.take_maps(discriminator(fake))

    return judge


def theirs(ndf: int) -> Callable[[Tensor], Any]:
    """One map of the package, of the score our signals take."""
    discriminator = make_discriminator(ndf)
    cam = GradCAM(discriminator, [discriminator.model[10]])  # the activation behind the fourth convolution
    return lambda fake: cam(fake, [torch.sum] * len(fake))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark; milliseconds a call, and ratios to the package."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    runs: dict[str, Callable[[Tensor], Any]] = {"bare": make_discriminator(args.ndf), "grad-cam": theirs(args.ndf)}
    runs |= {signal: ours(signal, args.ndf, "activation" if signal == "gradcam" else "conv") for signal in SIGNALS}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    images = torch.rand(args.batch_size, 3, args.size, args.size) * 2 - 1
    for _ in range(args.warmup + args.rounds):
        for name in random.sample(list(runs), len(runs)):
            fake = images.clone().requires_grad_() * 1  # carries a graph, as a generator's output does
            before = time.process_time()
            runs[name](fake)
            seconds[name].append(time.process_time() - before)
    spent = {name: np.array(values[args.warmup :]) * 1000 for name, values in seconds.items()}
    package = float(np.median(spent["grad-cam"]))
    # Round by round, since the machine's pace changes between rounds.
    extra = {name: float(np.median(spent[name] - spent["bare"])) for name in SIGNALS}
    return {
        "settings": {name: value for name, value in vars(args).items() if name != "json"},
        "bare_call_ms": float(np.median(spent["bare"])),
        "package_ms": package,
        "map_ms": extra,
        "package_over_map": {name: package / value if value > 0 else None for name, value in extra.items()},
    }


def report(figures: dict[str, Any]) -> str:
    """The figures in words."""
    lines = ["PatchGAN, ndf {ndf}, {size} px, batch size {batch_size}, {rounds} rounds".format(**figures["settings"])]
    lines.append(f"{'a call of D':24}{figures['bare_call_ms']:9.3f} ms")
    lines.append(f"{'grad-cam, a map':24}{figures['package_ms']:9.3f} ms")
    for name, spent in figures["map_ms"].items():
        ratio = figures["package_over_map"][name]
        times = "too little to tell" if ratio is None else f"grad-cam costs {ratio:.1f} times as much"
        lines.append(f"{f'{name}, on top of D':24}{spent:9.3f} ms   {times}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    for name, value in {"size": 128, "batch-size": 1, "ndf": 64, "rounds": 60, "warmup": 5, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="%(default)s by default")
    args = parser.parse_args()
    print(report(figures := measure(args)))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
