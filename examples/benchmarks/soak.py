"""What a long guided training leaves behind in its process: memory, tensors, hooks, threads, file handles.

A CycleGAN of tiny networks trains in this process with both pairs guided: `alpha`, the `conv` transfer block, Grad-CAM
maps, and images seen under a new crop at each visit. Four monitors listen: one whose listener raises at its third call
(and is dropped), one whose screen raises at every third frame (and goes on), one for a Visdom server that is killed and
started again several times, and one for an address that takes connections and never answers. An epoch ends every 16
steps, and the memories are saved and loaded again every 100.

After the warm-up the process is looked at every 100 steps: resident memory, tensors that Python can reach, hooks on
the networks, threads, and open file handles. The growth of memory is the slope of a straight line through all looks.
The exit code is 1 where memory grows by `--limit` MB in 1,000 steps or more, or anything else grows at all.

Examples:
    python examples/benchmarks/soak.py --json soak.json
    python examples/benchmarks/soak.py --steps 200 --warm-up 100 --no-visdom
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import logging
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from visdom_server import Server

from guidegan_plugin import Guide, GuideConfig, Monitor, StepReport, View, attach, hookimpl
from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.live import LiveMonitor
from guidegan_plugin.monitors.worker import Screen

EPOCH, LOOK, SHOW = 16, 100, 5  # steps
COUNTED = "{tensors} tensors, {hooks} hooks, {threads} threads, {files} files"
IMAGES, SIZE, CROP = 16, 36, 32
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_load_state_dict_pre_hooks", "_state_dict_hooks")


class RaisingListener(Monitor):
    """Raises at its third call."""

    name = "raising_listener"
    calls = 0

    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        self.calls += 1
        if self.calls % 3 == 0:
            raise RuntimeError("every third call fails")


class RaisingScreen(Screen):
    """Raises at every third frame."""

    frames = 0

    def show(self, frame: Frame) -> None:
        self.frames += 1
        if self.frames % 3 == 0:
            raise RuntimeError("every third frame fails")


class RaisingMonitor(LiveMonitor):
    """Shows frames on a screen that raises."""

    name = "raising_monitor"


def make_generator() -> nn.Module:
    first, last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)
    return nn.Sequential(first, nn.InstanceNorm2d(4), nn.ReLU(True), last, nn.Tanh())


def make_discriminator() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(4, 4, 4, stride, 1), nn.InstanceNorm2d(4), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(4, 1, 4, 1, 1))


class Training:
    """A CycleGAN, the way the reference host steps it, with both pairs guided.

    Args:
        monitors: Who listens.
    """

    def __init__(self, monitors: list[object]) -> None:
        self.g_a, self.g_b, self.d_a, self.d_b = (
            *(make_generator() for _ in "AB"),
            *(make_discriminator() for _ in "AB"),
        )
        self.networks = [self.g_a, self.g_b, self.d_a, self.d_b]
        self.of_g = torch.optim.Adam([*self.g_a.parameters(), *self.g_b.parameters()], 2e-4, (0.5, 0.999))
        self.of_d = torch.optim.Adam([*self.d_a.parameters(), *self.d_b.parameters()], 2e-4, (0.5, 0.999))
        config = GuideConfig(signal="gradcam", concat="alpha", transfer="conv")
        both = (self.of_g, self.of_d)
        first = attach(self.g_a, self.d_a, config, monitors, name="A", optimizers=both)
        second = attach(self.g_b, self.d_b, config, name="B", optimizers=both, beside=first)
        self.guides: dict[str, Guide] = {"A": first, "B": second}
        self.networks += first.networks().values()
        self._images = {side: torch.rand(IMAGES, 3, SIZE, SIZE) * 2 - 1 for side in "AB"}

    def step(self, number: int) -> None:
        """One step on one image of either domain, in a crop that changes from visit to visit."""
        key, (x, y), flip = number % IMAGES, (number % 5, number % 3), number % 2 == 0
        view = View.crop((x, y), (CROP, CROP), (SIZE, SIZE), flip)
        real = {}
        for side, guide in self.guides.items():
            image = self._images[side][key : key + 1, :, y : y + CROP, x : x + CROP]
            real[side] = (image.flip(3) if flip else image).clone()
            guide.bind(real[side], [f"{side}/{key}.png"], view)
        fake_b, fake_a = self.g_a(real["A"]), self.g_b(real["B"])
        cycles = (self.g_b(fake_b) - real["A"]).abs().mean() + (self.g_a(fake_a) - real["B"]).abs().mean()
        for network in (self.d_a, self.d_b):
            network.requires_grad_(False)
        self.of_g.zero_grad()
        (_near(self.d_a(fake_b), 1) + _near(self.d_b(fake_a), 1) + 10 * cycles).backward()
        self.of_g.step()
        for network in (self.d_a, self.d_b):
            network.requires_grad_(True)
        self.of_d.zero_grad()
        for network, true, false in ((self.d_a, real["B"], fake_b), (self.d_b, real["A"], fake_a)):
            ((_near(network(true), 1) + _near(network(false.detach()), 0)) / 2).backward()
        self.of_d.step()

    def end_epoch(self) -> None:
        for guide in self.guides.values():
            guide.end_epoch()

    def save_and_load(self, folder: Path) -> None:
        for name, guide in self.guides.items():
            guide.save(folder / f"{name}_guide.safetensors")
            guide.load(folder / f"{name}_guide.safetensors")


def _near(scores: Tensor, target: float) -> Tensor:
    return (scores - target).pow(2).mean()


def look(training: Training, step: int) -> dict[str, float]:
    """What the process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    modules = [module for network in training.networks for module in network.modules()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of torch's objects warn when they are asked what they are
        tensors = sum(issubclass(type(one), Tensor) for one in gc.get_objects())
    return {
        "step": step,
        "resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "tensors": tensors,
        "hooks": sum(len(getattr(module, name)) for module in modules for name in HOOKS),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - the handle of a Path's own iterator would count
    }


@contextlib.contextmanager
def listening(folder: Path, visdom: bool) -> Iterator[tuple[list[object], Server | None]]:
    """The monitors, and the server that is to die."""
    monitors: list[object] = [RaisingListener(), RaisingMonitor(RaisingScreen(), every=SHOW)]
    if not visdom:
        yield monitors, None
        return
    from guidegan_plugin import VisdomMonitor

    server = Server(folder)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        monitors += [VisdomMonitor(port=port, every=SHOW) for port in (server.port, silent.getsockname()[1])]
        try:
            yield monitors, server
        finally:
            server.die()


def measure(steps: int, warm_up: int, visdom: bool, scratch: Path) -> dict[str, Any]:
    """Train, and look every so often."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    began, looks = time.monotonic(), []
    with listening(scratch, visdom) as (monitors, server):
        training = Training(monitors)
        turns = {(warm_up + steps) * number // 7: number for number in range(7)}
        for step in range(1, warm_up + steps + 1):
            if server is not None and step - 1 in turns:
                server.start() if turns[step - 1] % 2 == 0 else server.die()
            training.step(step)
            if step % EPOCH == 0:
                training.end_epoch()
            if step % LOOK == 0:
                training.save_and_load(scratch)
                if step >= warm_up:
                    looks.append(look(training, step))
        judged = {name: guide.statistics()["judged"] for name, guide in training.guides.items()}
    return {
        "steps": steps,
        "warm_up": warm_up,
        "judged": judged,
        "server": None if server is None else {"starts": server.starts, "deaths": server.deaths},
        "growth": growth(looks),
        "looks": looks,
        "seconds": round(time.monotonic() - began, 1),
        "torch": torch.__version__,
    }


def growth(looks: list[dict[str, float]]) -> dict[str, float]:
    """What grew after the warm-up.

    Memory: MB in 1,000 steps, by a straight line through all looks. The rest: the lowest number of the second half less
    the lowest of the first half, because a connection may be open at one look and closed at the next.
    """
    steps, half = [one["step"] for one in looks], len(looks) // 2
    slope = statistics.linear_regression(steps, [one["resident_mb"] for one in looks]).slope
    lowest = [
        {name: min(one[name] for one in part) for name in ("tensors", "hooks", "threads", "files")}
        for part in (looks[:half], looks[half:])
    ]
    return {"resident_mb": round(1000 * slope, 3), **{name: lowest[1][name] - lowest[0][name] for name in lowest[0]}}


def main() -> None:
    """Measure and print; the exit code is 1 if something grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="after the warm-up; %(default)s by default")
    parser.add_argument("--warm-up", type=int, default=500, help="steps before the first look; %(default)s by default")
    parser.add_argument("--limit", type=float, default=1.0, help="MB in 1,000 steps; %(default)s by default")
    parser.add_argument("--no-visdom", action="store_true", help="without the two Visdom monitors")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args()
    if args.steps < 2 * LOOK:
        parser.error(f"--steps: expected at least {2 * LOOK}, for two looks, found {args.steps}")
    logging.basicConfig(format="%(message)s")
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(args.steps, args.warm_up, not args.no_visdom, Path(scratch))
    for one in itertools.islice(figures["looks"], 0, None, max(len(figures["looks"]) // 5, 1)):
        print("step {step}: {resident_mb:.1f} MB,".format(**one), COUNTED.format(**one))
    print("growth in 1,000 steps: {resident_mb} MB;".format(**figures["growth"]), end=" ")
    print("in all:", COUNTED.format(**figures["growth"]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    memory, *counted = figures["growth"].values()
    sys.exit(memory >= args.limit or any(number > 0 for number in counted))


if __name__ == "__main__":
    main()
