"""Everything that only a GPU can tell, in one command of at most eight minutes, which goes on where it was stopped.

Stages, in this order, each with a JSON in OUT: `tests`, those that need a CUDA device; `step`, what guidance costs a
training step at 256 px, in float32 and bfloat16, for every mechanism, with launches and synchronisations; `fast`, a
guided step with `--guide_fast` beside the bare host, each alone in its process; `guard`, whether losses under
`--guide_fast` stay within what another seed changes; `map`, what a map costs beside other packages; `study`, shapes at
128 px, with the time that is left. A part that is done is not repeated, and a part that fails or is stopped by the
clock is named at the end. Nothing is fetched from a network.

Examples:
    python examples/benchmarks/gpu.py results
    python examples/benchmarks/gpu.py results --only step --minutes 3
    python examples/benchmarks/gpu.py rehearsal --rehearse
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from parts import HERE, MECHANISMS, RESULT, ROOT, Part, options, run

# Pieces of --guide_fast, None for the bare host, which comes twice: how far apart the two are is the null.
FAST = {
    "bare": None,
    "on": "on",
    "on and graphs": "activations,bf16,tf32,benchmark,fused,graphs",
    "on and compile": "activations,bf16,tf32,benchmark,fused,compile",
    "activations": "activations",
    "bare again": None,
    "bf16": "bf16",
    "tf32 and benchmark": "tf32,benchmark",
    "fused": "fused",
    "graphs": "graphs",
    "compile": "compile",
}


def parts(out: Path, rehearse: bool, host: Path) -> list[Part]:
    """All commands, in the order in which they are worth the most."""
    size, width, rounds, warmup = (64, 4, 2, 1) if rehearse else (256, 64, 18, 6)
    networks: list[object] = ["--ngf", width, "--ndf", width, "--netG", "resnet_9blocks"]
    step: list[object] = [HERE / "step_overhead.py", "--json", RESULT]
    step += ["--host", host, "--size", size, "--rounds", rounds]
    jobs = max(1, min(len(os.sched_getaffinity(0)) - 1, 15))  # at a time; more have not been tried on one GPU
    workers = [] if rehearse else ["-n", jobs]
    pytest: list[object] = ["-m", "pytest", "-m", "cuda", "-p", "no:benchmark", "--junitxml", RESULT, *workers]
    pytest += ["--continue-on-collection-errors", ROOT / "tests"]  # a test may need a package that is missing here
    planned = [Part("tests", "cuda", pytest)]
    for name, flag in MECHANISMS.items():
        planned.append(Part("step", f"{name}, float32", [*step, "--warmup", warmup, "--", *networks, *flag.split()]))
    for name, pieces in FAST.items():
        options = [] if pieces is None else ["--guide_fast", pieces]
        command = [*step, "--warmup", warmup * 2, "--wall", "--alone", "--", *networks, *options]
        planned.append(Part("fast", name, command))
    for name in ("on and graphs", "on"):
        command = [HERE / "fast_guard.py", "--pieces", FAST[name], "--threads", 1, "--json", RESULT]
        command += ["--steps", 20, "--size", 32, "--", "--ngf", 4, "--ndf", 4] if rehearse else []
        planned.append(Part("guard", name, command))
    command = [HERE / "map_cost.py", "--size", size * 2, "--ndf", width, "--rounds", rounds, "--json", RESULT]
    planned.append(Part("map", "PatchGAN", command))
    for name, flag in MECHANISMS.items():
        timed = [*step, "--warmup", warmup, "--autocast", "--", *networks, *flag.split()]
        planned.append(Part("step", f"{name}, bfloat16", timed))
    folder = ROOT / "examples" / "study"
    study: list[object] = [folder / "run.py", folder / "shapes_128.yaml", "--out", out / "study", "--jobs", jobs]
    return planned if rehearse else [*planned, Part("study", "shapes at 128 px", study)]


def main() -> int:
    """Run what is not done yet; 1 if a part failed or the time was too short."""
    parser = options(__doc__, minutes=8)
    parser.add_argument(
        "--host", type=Path, default=ROOT / "examples" / "reference_host", help="folder of its train.py"
    )
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.rehearse:
        sys.exit("gpu.py: torch finds no CUDA device; run it on a machine with a GPU, or try it with --rehearse")
    return run(parts(args.out.resolve(), args.rehearse, args.host.resolve()), args)


if __name__ == "__main__":
    sys.exit(main())
