"""How many operations guidance adds to one training step: on the device, and on the CPU beside it.

The reference host trains a CycleGAN on PyTorch's `meta` device. Its tensors have shapes and no values. So large
networks cost nothing here, and a step that waits for a value of the device (a synchronisation) fails. Counted is one
step in the second epoch, `set_input` and `optimize_parameters`: every image has been visited, and is seen under another
crop now. What guidance adds is the guided step less the bare one.

A *launch* is an operator that reads or writes memory of the device: a kernel, or a copy to the device. Views, metadata
and allocations are none. Some operators launch two kernels on a GPU. On the meta device Adam updates one tensor at a
time; on a GPU Adam needs a few launches for all. A *CPU operation* is an operator on CPU tensors alone.

Examples:
    python examples/benchmarks/launches.py
    python examples/benchmarks/launches.py --json figures.json
    python examples/benchmarks/launches.py --mechanisms rhp --list
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.plugins.find_host import recognise

HOST = Path(__file__).parents[1] / "reference_host"
NETS = ("--netG", "resnet_9blocks", "--ngf", "64", "--ndf", "64")
MECHANISMS: Mapping[str, tuple[str, ...]] = {
    "rhp": (),
    "rhp without views": ("--dataset_mode", "unaligned"),
    "alpha": ("--guide_concat", "alpha"),
    "conv": ("--guide_transfer", "conv"),
    "gradient": ("--guide_signal", "gradient"),
    "gradcam": ("--guide_signal", "gradcam"),
    "tam": ("--guide_attention", "tam"),
    "shuffled": ("--guide_attention", "shuffled"),
}
WAITS = frozenset(("_local_scalar_dense", "is_nonzero", "nonzero", "equal"))
ALLOCATIONS = frozenset(("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"))


class Operations(TorchDispatchMode):
    """Counts operators while it is active, by their names.

    Attributes:
        launches: Those that touch memory of a device other than the CPU.
        on_cpu: Those on CPU tensors alone.
        waits: Those after which the CPU would wait for the device.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.launches, self.on_cpu, self.waits = Counter[str](), Counter[str](), Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returned, name = _devices(result), func.overloadpacket.__name__
        given = _devices((args, kwargs))
        if given - {"cpu"} and (name in WAITS or ("cpu" in returned and not kwargs.get("non_blocking"))):
            self.waits[name] += 1
        if name not in ALLOCATIONS and not _is_view(func):
            where = returned | given
            if where:  # a question about types, say, touches no tensor
                (self.launches if where - {"cpu"} else self.on_cpu)[name] += 1
        return result


def _devices(values: object) -> set[str]:
    return {value.device.type for value in tree_leaves(values) if isinstance(value, torch.Tensor)}


def _is_view(func: Any) -> bool:
    """Whether an operator returns a tensor in the memory of its argument, and writes nothing."""
    aliases = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def step(model: Any, batch: dict[str, Any]) -> None:
    """One training step as in the host's loop."""
    model.set_input(batch)
    model.optimize_parameters()


def host_model(scratch: Path, args: argparse.Namespace, batch_size: int, guidance: Sequence[str] | None) -> Any:
    """A CycleGAN of the reference host without values, and what loads its batches; bare without guidance."""
    command = ["--dataroot", scratch / "data", "--checkpoints_dir", scratch, "--name", "launches", *NETS, *args.options]
    command += ["--model", "cycle_gan" if guidance is None else "guide_cycle_gan", "--num_threads", 0]
    command += ["--load_size", round(args.size * 286 / 256), "--crop_size", args.size, "--batch_size", batch_size]
    # In the images' order, so that the first epoch visits every one of both domains.
    sys.argv = ["train.py", *map(str, command), "--serial_batches", *(guidance or ())]
    options = importlib.import_module("options.train_options").TrainOptions().parse()
    options.device = torch.device("meta")
    model = importlib.import_module("models").create_model(options)
    model.setup(options)
    return model, importlib.import_module("data").create_dataset(options)


def counted_step(
    scratch: Path, args: argparse.Namespace, batch_size: int, guidance: Sequence[str] | None
) -> Operations:
    """Train into the second epoch, and count the operators of a step."""
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    model, loader = host_model(scratch, args, batch_size, guidance)
    for batch in itertools.chain(loader, itertools.islice(loader, 1)):
        step(model, batch)
    batch = next(iter(loader))
    with Operations() as operations:
        step(model, batch)
    return operations


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Count a step of the bare host and of each mechanism, for each batch size."""
    torch.set_num_threads(1)
    host = recognise(HOST)
    sys.path.insert(0, str(HOST))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, host.guided(), contextlib.redirect_stdout(io.StringIO()):
        write_unpaired(Path(scratch) / "data", args.size, 2 * max(args.batch_sizes), 1, args.seed, workers=1)
        for batch_size in args.batch_sizes:
            bare = counted_step(Path(scratch), args, batch_size, None)
            for name in args.mechanisms:
                guided = counted_step(Path(scratch), args, batch_size, MECHANISMS[name])
                rows.append({"mechanism": name, "batch_size": batch_size, **_added(bare, guided)})
    versions = {"torch": torch.__version__, "python": sys.version.split()[0]}
    return {"settings": {"size": args.size, "networks": [*NETS, *args.options], **versions}, "steps": rows}


def _added(bare: Operations, guided: Operations) -> dict[str, Any]:
    launches = guided.launches.total() - bare.launches.total()
    return {
        "bare_launches": bare.launches.total(),
        "added_launches": launches,
        "added_share": launches / bare.launches.total(),
        "added_cpu_operations": guided.on_cpu.total() - bare.on_cpu.total(),
        "added_waits": guided.waits.total() - bare.waits.total(),
        "launches_by_name": _difference(bare.launches, guided.launches),
        "cpu_operations_by_name": _difference(bare.on_cpu, guided.on_cpu),
    }


def _difference(bare: Counter[str], guided: Counter[str]) -> dict[str, int]:
    names = sorted({*bare, *guided}, key=lambda name: bare[name] - guided[name])
    return {name: guided[name] - bare[name] for name in names if guided[name] != bare[name]}


def report(figures: dict[str, Any], every: bool) -> str:
    """The figures as a table, with the operators' names on request."""
    head = ("mechanism", "batch", "bare launches", "added", "share", "CPU operations", "waits")
    line = "{:18} {:>5} {:>13} {:>6} {:>7} {:>14} {:>6}"
    lines = [line.format(*head)]
    for row in figures["steps"]:
        counts = row["bare_launches"], row["added_launches"], f"{row['added_share']:.1%}"
        lines.append(
            line.format(row["mechanism"], row["batch_size"], *counts, row["added_cpu_operations"], row["added_waits"])
        )
        for kind in ("launches_by_name", "cpu_operations_by_name") if every else ():
            names = ", ".join(f"{name} {count:+}" for name, count in row[kind].items())
            lines.append(f"    {kind.replace('_', ' ')}: {names or 'none'}")
    return "\n".join(lines)


def main() -> None:
    """Count and print."""
    own = list(itertools.takewhile(lambda argument: argument != "--", sys.argv[1:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--list", action="store_true", help="name the operators that are added")
    parser.add_argument("--size", type=int, default=256, help="height and width of images, %(default)s by default")
    parser.add_argument("--seed", type=int, default=0, help="of data and draws, %(default)s by default")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8], help="1 and 8 by default")
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=list(MECHANISMS), help="all by default")
    args = parser.parse_args(own)
    args.options = sys.argv[len(own) + 2 :]
    figures = measure(args)
    print(report(figures, args.list))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
