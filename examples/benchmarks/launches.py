"""How many operations guidance adds to one training step: on the device, and on the CPU beside it.

The reference host trains a CycleGAN on PyTorch's `meta` device. Its tensors have shapes and no values. So large
networks cost little here, and a step that waits for a value of the device (a synchronisation) fails. Counted are the
steps of a second epoch, `set_input` and `optimize_parameters`: every image has been visited, and is seen under another
crop now. What guidance adds is the mean guided step less the bare one. The images are few files under many names, since
only shapes and names matter. There is no image pool, whose draws differ from step to step.

A *launch* is an operator that reads or writes memory of the device: a kernel, or a copy to the device. Views, metadata
and allocations are none. Some operators launch two kernels on a GPU. On the meta device Adam updates one tensor at a
time; on a GPU Adam needs a few launches for all. A *CPU operation* is an operator on CPU tensors alone.

A host that cannot be put on the meta device is counted with `--device cpu`, where every operator is a launch; small
networks have as many operators as large ones.

Examples:
    python examples/benchmarks/launches.py
    python examples/benchmarks/launches.py --json figures.json
    python examples/benchmarks/launches.py --mechanisms rhp --list
    python examples/benchmarks/launches.py --host path/to/pytorch-CycleGAN-and-pix2pix --device cpu --size 64 \\
        --batch-sizes 1 --mechanisms "activations alone" -- --ngf 4 --ndf 4
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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import parts
import torch
from host_flags import described, host_flags
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.plugins.find_host import recognise

NETS = ("--netG", "resnet_9blocks", "--ngf", "64", "--ndf", "64", "--pool_size", "0")
MECHANISMS: Mapping[str, tuple[str, ...]] = {
    **{name: tuple(flags.split()) for name, flags in parts.MECHANISMS.items()},
    "rhp without views": ("--dataset_mode", "unaligned"),
    "shuffled": ("--guide_attention", "shuffled"),
    "activations alone": ("--guide_attention", "none", "--guide_fast", "activations"),
    "rhp and activations": ("--guide_fast", "activations"),
}
WAITS = frozenset(("_local_scalar_dense", "is_nonzero", "nonzero", "equal"))
ALLOCATIONS = frozenset(("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"))


class Operations(TorchDispatchMode):
    """Counts operators while it is active, by their names.

    Attributes:
        launches: Those that touch memory of a device other than the CPU.
        on_cpu: Those on CPU tensors alone.
        waits: Those after which the CPU would wait for the device.

    Args:
        device: Type of the device that trains.
    """

    def __init__(self, device: str = "meta") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.launches, self.on_cpu, self.waits = Counter[str](), Counter[str](), Counter[str]()
        self._beside = {"cpu"} - {device}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returned, name = _devices(result), func.overloadpacket.__name__
        given = _devices((args, kwargs))
        if given - {"cpu"} and (name in WAITS or ("cpu" in returned and not (kwargs or {}).get("non_blocking"))):
            self.waits[name] += 1
        if name not in ALLOCATIONS and not _is_view(func):
            where = returned | given
            if where:  # a question about types, say, touches no tensor
                (self.launches if where - self._beside else self.on_cpu)[name] += 1
        return result


def _devices(values: object) -> set[str]:
    return {value.device.type for value in tree_leaves(values) if isinstance(value, torch.Tensor)}


def _is_view(func: Any) -> bool:
    """Whether an operator returns a tensor in the memory of its argument, and writes nothing."""
    aliases = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def train(model: Any, batches: Iterable[dict[str, Any]]) -> None:
    """Training steps as in the host's loop."""
    for batch in batches:
        model.set_input(batch)
        model.optimize_parameters()


def epoch(loader: Iterable[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """So many batches of images, each image under a name of its own."""
    endless = itertools.chain.from_iterable(itertools.repeat(loader))
    batches = []
    for number, batch in enumerate(itertools.islice(endless, steps)):
        names = {name: [f"{path}.{number}" for path in batch[name]] for name in ("A_paths", "B_paths")}
        batches.append({**batch, **names})
    return batches


def host_model(scratch: Path, args: argparse.Namespace, batch_size: int, guidance: Sequence[str] | None) -> Any:
    """A CycleGAN of the host, on the meta device without values, and what loads its batches; bare without guidance."""
    command = ["--dataroot", scratch / "data", "--checkpoints_dir", scratch, "--name", "launches", *NETS, *args.options]
    command += ["--model", "cycle_gan" if guidance is None else "guide_cycle_gan", "--num_threads", 0]
    command += ["--load_size", round(args.size * 286 / 256), "--crop_size", args.size, "--batch_size", batch_size]
    # In the images' order, so that the first epoch visits every one of both domains.
    sys.argv = ["train.py", *map(str, command), *host_flags(gpu=False), "--serial_batches", *(guidance or ())]
    options = importlib.import_module("options.train_options").TrainOptions().parse()
    options.device = torch.device(args.device)  # the classic generation does not read it
    model = importlib.import_module("models").create_model(options)
    model.setup(options)
    return model, importlib.import_module("data").create_dataset(options)


def counted_epoch(
    scratch: Path, args: argparse.Namespace, batch_size: int, steps: int, guidance: Sequence[str] | None
) -> Operations:
    """Train for an epoch, and count the operators of the next."""
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    model, loader = host_model(scratch, args, batch_size, guidance)
    train(model, epoch(loader, steps))
    batches = epoch(loader, steps)
    with Operations(args.device) as operations:
        train(model, batches)
    return operations


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Count a step of the bare host and of each mechanism, for each batch size."""
    torch.set_num_threads(1)
    host = recognise(args.host.resolve())
    sys.path.insert(0, str(host.root))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, host.guided(), contextlib.redirect_stdout(io.StringIO()):
        write_unpaired(Path(scratch) / "data", args.size, max(args.batch_sizes), 1, args.seed, workers=1)
        for batch_size in args.batch_sizes:
            bare = counted_epoch(Path(scratch), args, batch_size, 1, None)  # one step is like another
            for name in args.mechanisms:
                guided = counted_epoch(Path(scratch), args, batch_size, args.steps, MECHANISMS[name])
                rows.append({"mechanism": name, "batch_size": batch_size, **_added(bare, guided, args.steps)})
    versions = {"torch": torch.__version__, "python": sys.version.split()[0]}
    return {
        "settings": {
            "host": described(host),
            "device": args.device,
            "size": args.size,
            "steps": args.steps,
            "networks": [*NETS, *args.options],
            **versions,
        },
        "steps": rows,
    }


def _added(bare: Operations, guided: Operations, steps: int) -> dict[str, Any]:
    launches = _difference(bare.launches, guided.launches, steps)
    on_cpu = _difference(bare.on_cpu, guided.on_cpu, steps)
    added = sum(launches.values())
    return {
        "bare_launches": bare.launches.total(),
        "added_launches": added,
        "added_share": added / bare.launches.total(),
        "added_cpu_operations": sum(on_cpu.values()),
        "added_waits": sum(_difference(bare.waits, guided.waits, steps).values()),
        "launches_by_name": launches,
        "cpu_operations_by_name": on_cpu,
    }


def _difference(bare: Counter[str], guided: Counter[str], steps: int) -> dict[str, float]:
    added = {name: guided[name] / steps - bare[name] for name in (*bare, *guided)}
    return {name: count for name, count in sorted(added.items(), key=lambda item: -item[1]) if count}


def report(figures: dict[str, Any], every: bool) -> str:
    """The figures as a table, with the operators' names on request."""
    head = ("mechanism", "batch", "bare launches", "added", "share", "CPU operations", "waits")
    lines = ["{:18} {:>5} {:>13} {:>6} {:>6} {:>14} {:>6}".format(*head)]
    line = (
        "{mechanism:18} {batch_size:5} {bare_launches:13} {added_launches:6.1f} {added_share:6.1%} "
        "{added_cpu_operations:14.1f} {added_waits:6.1f}"
    )
    for row in figures["steps"]:
        lines.append(line.format(**row))
        for kind in ("launches_by_name", "cpu_operations_by_name") if every else ():
            names = ", ".join(f"{name} {count:+.3g}" for name, count in row[kind].items())
            lines.append(f"    {kind.replace('_', ' ')}: {names or 'none'}")
    return "\n".join(lines)


def main() -> None:
    """Count and print."""
    own = list(itertools.takewhile(lambda argument: argument != "--", sys.argv[1:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--host", type=Path, default=Path(__file__).parents[1] / "reference_host", help="folder of its train.py")
    add("--device", choices=("meta", "cpu"), default="meta", help="that trains, %(default)s by default")
    add("--json", type=Path, help="write the figures there as well")
    add("--list", action="store_true", help="name the operators that are added")
    add("--size", type=int, default=256, help="height and width of images, %(default)s by default")
    add("--steps", type=int, default=16, help="of an epoch, %(default)s by default")
    add("--seed", type=int, default=0, help="of data and draws, %(default)s by default")
    add("--batch-sizes", type=int, nargs="+", default=[1, 8], help="1 and 8 by default")
    add("--mechanisms", nargs="+", choices=MECHANISMS, default=list(MECHANISMS), help="all by default")
    args = parser.parse_args(own)
    args.options = sys.argv[len(own) + 2 :]
    figures = measure(args)
    print(report(figures, args.list))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
