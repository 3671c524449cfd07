"""What guidance costs a training step: time, memory, forward passes, synchronisations with a GPU.

Three models of one host train in one process on the same batches: bare, bare again (the null: how far two equal
models differ on this machine) and guided; in 6, 12 or 18 rounds every order of the three comes equally often. Timed are
`set_input` and `optimize_parameters`, as CPU time of the process (waiting threads count as working, hence
`--threads 1`) or by CUDA events; with `--wall` as time on the clock, which is what a monitor's thread would cost. Peak
memory is what a step allocates above what was there before; on a CPU, the tensors operators return.

On a GPU the profiler counts what the host launches there: kernels, copies and fills. `--autocast` trains all models in
bfloat16. `--alone` trains one model by itself, guided if a `--guide` option is given, for what cannot stand beside a
bare model in one process, such as the settings of `--guide_fast` that hold for the whole process.

`--monitor visdom` starts a Visdom server on a free loopback port and shows every step of the guided model on it,
`--monitor dead` a server that takes connections and never answers. A frame is shown within tens of milliseconds; where
steps are shorter its thread also slows the bare steps that follow, so take steps of half a second and more.

Examples:
    python examples/benchmarks/step_overhead.py -- --ngf 64 --netG resnet_9blocks --guide_concat alpha
    python examples/benchmarks/step_overhead.py --host path/to/pytorch-CycleGAN-and-pix2pix --json figures.json
    python examples/benchmarks/step_overhead.py --model pix2pix -- --netG unet_128
    python examples/benchmarks/step_overhead.py --alone -- --ngf 64 --netG resnet_9blocks --guide_fast on
    python examples/benchmarks/step_overhead.py --wall --monitor dead -- --ngf 64 --netG resnet_9blocks
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import json
import random
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import seconds_of
from host_flags import described, host_flags
from inspection import inspected_step, step
from visdom_server import Server

from guidegan_plugin.datasets.synthetic import shapes, street
from guidegan_plugin.plugins.find_host import recognise

NAMES = ("bare", "null", "guided")


@contextlib.contextmanager
def monitored(kind: str, folder: Path) -> Iterator[list[str]]:
    """Options that show every step on a server of this benchmark's own, which is there as long as this lasts."""
    with contextlib.ExitStack() as stack:
        if kind == "off":
            yield []
            return
        if kind == "visdom":
            server = Server(folder)
            stack.callback(server.die)
            server.start()
            port = server.port
        else:
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
            port = silent.getsockname()[1]
        yield ["--guide_visdom", "--guide_visdom_port", str(port), "--guide_monitor_freq", "1"]


def windows(options: Sequence[str]) -> int:
    """How many windows the guided model has on a server that answers."""
    from guidegan_plugin.monitors.visdom.address import Address
    from guidegan_plugin.monitors.visdom.client import Client

    client = Client(Address(port=int(options[2])), "guided")
    return len(json.loads(client.get_window_data()))


def orders(seed: int, names: Sequence[str] = NAMES) -> Iterator[tuple[str, ...]]:
    """Orders of the models without end: all of them shuffled, all shuffled again, so no place is favoured."""
    rng, permutations = random.Random(seed), list(itertools.permutations(names))
    while True:
        rng.shuffle(permutations)
        yield from permutations


def _orders(args: argparse.Namespace, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Those of the warm-up, and of the timed rounds; which begin anew, so that all of theirs come equally often."""
    return itertools.chain(itertools.islice(orders(args.seed, names), args.warmup), orders(args.seed, names))


def without_guidance(options: Sequence[str]) -> list[str]:
    """The options a bare model knows: all but `--guide_*` and their values."""
    kept, ours = [], False
    for option in options:
        ours = option.startswith("--guide_") if option.startswith("--") else ours
        kept += [] if ours else [option]
    return kept


def host_options(
    name: str, scratch: Path, args: argparse.Namespace, device: torch.device, monitor: Sequence[str] = ()
) -> Any:
    """What the host's own parser makes of a command line, ready for a model."""
    train_options = importlib.import_module("options.train_options").TrainOptions
    command = ["--dataroot", scratch / "data", "--checkpoints_dir", scratch, "--name", name, "--num_threads", 0]
    command += ["--model", "guide_" * (name == "guided") + args.model, "--batch_size", args.batch_size]
    command += ["--load_size", round(args.size * 286 / 256), "--crop_size", args.size]
    command += host_flags(device.type == "cuda")
    command += [*monitor, *args.options] if name == "guided" else without_guidance(args.options)
    sys.argv = ["train.py", *map(str, command)]
    options = train_options().parse()
    options.device = device  # the DDP generation leaves this to its script; the classic one does not read it
    return options


def models_of(args: argparse.Namespace) -> tuple[str, ...]:
    """Which models train: all three, or one alone."""
    if not args.alone:
        return NAMES
    return ("guided",) if args.options != without_guidance(args.options) else ("bare",)


def prepare(
    args: argparse.Namespace, scratch: Path, device: torch.device, monitor: Sequence[str] = ()
) -> tuple[dict[str, Any], list[Any], int]:
    """Build the models; load a batch a warm-up or timed round and one more; count images first seen while timing."""
    options = {name: host_options(name, scratch, args, device, monitor) for name in models_of(args)}
    loading = options[models_of(args)[-1]]
    paired = loading.dataset_mode in ("aligned", "guide_aligned")
    write = street.write_paired if paired else shapes.write_unpaired
    # So few that nearly all timed visits are repeated ones, as in a real training of hundreds of epochs.
    write(scratch / "data", args.size, 4 * args.batch_size, 1, args.seed, workers=1)
    models = {}
    for name in options:
        torch.manual_seed(args.seed)
        models[name] = importlib.import_module("models").create_model(options[name])
        models[name].setup(options[name])
    loader = importlib.import_module("data").create_dataset(loading)
    epochs = itertools.chain.from_iterable(itertools.repeat(loader))
    batches = list(itertools.islice(epochs, args.warmup + args.rounds + 1))
    seen = [{*batch["A_paths"], *batch["A_paths" if paired else "B_paths"]} for batch in batches]
    return models, batches, len(set().union(*seen[args.warmup : -1]) - set().union(*seen[: args.warmup]))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark; figures for :func:`report` and for JSON."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    random.seed(args.seed)
    host = recognise(args.host.resolve())
    sys.path.insert(0, str(host.root))
    names = models_of(args)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(host.guided())
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        monitor = stack.enter_context(monitored(args.monitor, scratch))
        models, batches, first_visits = prepare(args, scratch, device, monitor)
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=args.autocast))
        for batch, order in zip(batches[:-1], _orders(args, names), strict=False):
            for name in order:
                seconds[name].append(seconds_of(partial(step, models[name], batch), device, args.wall))
        shown = windows(monitor) if args.monitor == "visdom" else 0
        inspected = {name: inspected_step(models[name], batches[-1], device) for name in names if name != "null"}
    settings = {name: value for name, value in vars(args).items() if name != "json"}
    settings |= {"host": described(host), "options": " ".join(args.options), "first_visits": first_visits}
    settings |= {"windows": shown, "clock": "wall" if args.wall else "process"}
    settings["device"] = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    if args.alone:
        return {"settings": settings, "seconds": _spread(np.array(seconds[names[0]][args.warmup :])), **inspected}
    bare, null, guided = np.array([seconds[name][args.warmup :] for name in NAMES])
    return {
        "settings": settings,
        "bare_seconds": _spread(bare),
        "null_over_bare": _spread(null / bare),
        "guided_over_bare": _spread(guided / bare),
        "guided_above_null": float(np.median(guided / bare) / np.median(null / bare)),
        "peak_guided_over_bare": inspected["guided"]["peak_bytes"] / inspected["bare"]["peak_bytes"],
        **inspected,
    }


def _spread(values: Any) -> dict[str, float]:
    return dict(zip(("low", "median", "high"), np.percentile(values, (25, 50, 75)).tolist(), strict=True))


def report(figures: dict[str, Any]) -> str:
    """The figures in words."""
    about = (
        "{host}\nguide_{model} {options}\n{size} px, batch size {batch_size}, {device}, {threads} thread(s)\n{rounds}"
    )
    about += " rounds after {warmup} of warm-up, {first_visits} first visits among them\n"
    about += "{clock} time, monitor {monitor}"
    about += ", {windows} windows" if figures["settings"]["windows"] else ""
    lines = [about.format(**figures["settings"])]
    for name in ("seconds", "bare_seconds", "null_over_bare", "guided_over_bare"):
        if name not in figures:  # one model alone has seconds, three have ratios
            continue
        spread = "{median:8.4f}  (quartiles {low:.4f} to {high:.4f})".format(**figures[name])
        lines.append(f"{name.replace('_', ' '):24}{spread}")
    for name in [name for name in ("guided_above_null", "peak_guided_over_bare") if name in figures]:
        lines.append(f"{name.replace('_', ' '):24}{figures[name]:8.4f}")
    for name in [name for name in NAMES if name in figures]:
        passes = ", ".join(f"{network} {count}" for network, count in figures[name]["forward_passes"].items())
        peak, waits = figures[name]["peak_bytes"] / 2**20, figures[name]["synchronisations"]
        lines.append(f"{name}: forward passes {passes}; peak memory {peak:.2f} MiB; synchronisations {waits}")
        if isinstance(launched := figures[name]["launches"], dict):
            lines[-1] += "; launches " + ", ".join(f"{kind} {count}" for kind, count in launched.items())
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    own = list(itertools.takewhile(lambda argument: argument != "--", sys.argv[1:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--host", type=Path, default=Path(__file__).parents[1] / "reference_host", help="folder of its train.py")
    add("--model", default="cycle_gan", help="the host's model, without guide_")
    add("--json", type=Path, help="write the figures there as well")
    add("--size", type=int, default=128, help="height and width of images")
    add("--batch-size", type=int, default=1, help="images a step")
    add("--rounds", type=int, default=18, help="timed steps of each model, best a multiple of 6")
    add("--warmup", type=int, default=3, help="steps of each model before those")
    add("--seed", type=int, default=0, help="seed of weights, data and orders")
    add("--alone", action="store_true", help="train one model by itself")
    add("--autocast", action="store_true", help="train in bfloat16 where torch's autocast says so")
    add("--wall", action="store_true", help="time on the clock in place of the process's")
    add("--monitor", choices=("off", "visdom", "dead"), default="off", help="shows each step of the guided model")
    add("--threads", type=int, default=1, help="threads of an operator on a CPU")
    args = parser.parse_args(own)
    args.options = sys.argv[len(own) + 2 :]
    print(report(figures := measure(args)))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
