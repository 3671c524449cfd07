"""What a map costs a training, beside packages for maps (`pip install grad-cam captum torchcam`) on the same network.

A PatchGAN judges a fake with its graph, as in a generator's update. Timed is what comes on top of that call: for us the
call with the tap less the call without it, for a package a whole run of its own, since a package cannot share the
host's call. All are measured in turns, in a shuffled order a round, as CPU time of the process or by CUDA events.
Packages that are not installed are left out.

Examples:
    python examples/benchmarks/map_cost.py
    python examples/benchmarks/map_cost.py --size 256 --batch-size 4 --json figures.json
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import seconds_of
from torch import Tensor, nn

from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.attention.signals import SIGNALS

NETWORKS = Path(__file__).parents[1] / "reference_host" / "models" / "networks.py"


def make_discriminator(ndf: int, device: torch.device) -> Any:
    """The PatchGAN of five convolutions of the reference host, frozen as in a generator's update."""
    spec = importlib.util.spec_from_file_location("networks", NETWORKS)
    assert spec is not None and spec.loader is not None
    networks: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    return networks.define_D(3, ndf, "basic", 3, "instance").requires_grad_(False).to(device)


def ours(signal: str, ndf: int, tap: str, device: torch.device) -> Callable[[Tensor], Tensor | None]:
    """One call of a tapped discriminator, and its map."""
    discriminator, attention = make_discriminator(ndf, device), PostHocAttention(4, tap, signal=signal)
    attention.attach(discriminator)

    def judge(fake: Tensor) -> Tensor | None:
        attention.listening = True
        return attention.take_maps(discriminator(fake))

    return judge


class Scored(nn.Module):
    """A discriminator that answers one score an image, the one our signals take."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return self.discriminator(images).flatten(1).sum(1, keepdim=True)


def grad_cam(scored: Scored, layer: nn.Module) -> Callable[[Tensor], Any]:
    """One map of the package grad-cam."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = GradCAM(scored, [layer])
    return lambda fake: cam(fake, [ClassifierOutputTarget(0)] * len(fake))


def captum(scored: Scored, layer: nn.Module) -> Callable[[Tensor], Any]:
    """One map of the package captum."""
    from captum.attr import LayerGradCam

    cam = LayerGradCam(scored, layer)
    return lambda fake: cam.attribute(fake, target=0)


def torchcam(scored: Scored, layer: nn.Module) -> Callable[[Tensor], Any]:
    """One map of the package torchcam."""
    from torchcam.methods import GradCAM

    cam = GradCAM(scored, target_layer=layer)
    return lambda fake: cam(0, scored(fake))


PACKAGES = {"grad-cam": grad_cam, "captum": captum, "torchcam": torchcam}


def theirs(ndf: int, device: torch.device) -> dict[str, Callable[[Tensor], Any]]:
    """One map of every package that is installed, each of a network of its own."""
    found = {}
    for name, make in PACKAGES.items():
        discriminator = make_discriminator(ndf, device)
        with contextlib.suppress(ImportError):  # model[10] is the activation behind the fourth convolution
            found[name] = make(Scored(discriminator), discriminator.model[10])
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark; milliseconds a call, and ratios to the packages."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    packages = theirs(args.ndf, device)
    runs: dict[str, Callable[[Tensor], Any]] = {"bare": make_discriminator(args.ndf, device), **packages}
    for signal in SIGNALS:
        runs[signal] = ours(signal, args.ndf, "activation" if signal == "gradcam" else "conv", device)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    images = torch.rand(args.batch_size, 3, args.size, args.size, device=device) * 2 - 1
    for _ in range(args.warmup + args.rounds):
        for name in random.sample(list(runs), len(runs)):
            fake = images.clone().requires_grad_() * 1  # carries a graph, as a generator's output does
            seconds[name].append(seconds_of(partial(runs[name], fake), device))
    spent = {name: np.array(values[args.warmup :]) * 1000 for name, values in seconds.items()}
    # Round by round, since the machine's pace changes between rounds.
    extra = {name: float(np.median(spent[name] - spent["bare"])) for name in SIGNALS}
    needed = {name: float(np.median(spent[name])) for name in packages}
    settings = {name: value for name, value in vars(args).items() if name != "json"}
    return {
        "settings": settings | {"device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU"},
        "bare_call_ms": float(np.median(spent["bare"])),
        "package_ms": needed,
        "map_ms": extra,
        "package_over_map": {
            signal: {name: cost / value for name, cost in needed.items()} if value > 0 else None
            for signal, value in extra.items()
        },
    }


def report(figures: dict[str, Any]) -> str:
    """The figures in words."""
    about = "PatchGAN, ndf {ndf}, {size} px, batch size {batch_size}, {device}, {rounds} rounds"
    lines = [about.format(**figures["settings"])]
    lines.append(f"{'a call of D':24}{figures['bare_call_ms']:9.3f} ms")
    for name in PACKAGES:
        spent = figures["package_ms"].get(name)
        lines.append(f"{f'{name}, a map':24}" + ("not installed" if spent is None else f"{spent:9.3f} ms"))
    for name, spent in figures["map_ms"].items():
        ratios = figures["package_over_map"][name]
        times = "too little to tell" if ratios is None else "a package costs more by a factor of "
        times += ", ".join(f"{ratio:.1f} ({package})" for package, ratio in (ratios or {}).items())
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
