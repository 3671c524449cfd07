"""The figures of docs/benchmarks.md that a CPU can tell, in one command that goes on where it was stopped.

Stages, each with a JSON in OUT that names machine and versions: `step`, what guidance costs a training step;
`operations`, what it adds in launches, operators and calls; `map`, what a map costs beside other packages; `data`, what
an item costs; `store` and `exchange`, what the memory costs; `evaluation`, beside the libraries that define the
scores; `soak`, what a long training leaves behind. Figures are medians with their spread, and with a null: the bare
host, or a library, against itself. Half an hour on an idle machine. Times mean nothing on a busy one; counts do.

Examples:
    python examples/benchmarks/cpu.py build/bench
    python examples/benchmarks/cpu.py build/bench --only step --only data
    python examples/benchmarks/cpu.py rehearsal --rehearse
"""

from __future__ import annotations

import sys

from parts import HERE, MECHANISMS, RESULT, Part, options, run


def parts(rehearse: bool) -> list[Part]:
    """All commands."""
    planned = []

    def plan(stage: str, name: str, script: str, options: str, tiny: str) -> None:
        words = (tiny if rehearse else options).split()
        planned.append(Part(stage, name, [HERE / script, "--json", RESULT, *words]))

    for name, flag in MECHANISMS.items():
        full = f"--rounds 18 -- --ngf 64 --netG resnet_9blocks {flag}"
        tiny = f"--rounds 2 --warmup 1 --size 64 -- --ngf 4 --ndf 4 {flag}"
        plan("step", name, "step_overhead.py", full, tiny)
    plan("operations", "launches", "launches.py", "", "--mechanisms rhp --batch-sizes 1 --steps 2 --size 64")
    plan("operations", "calls", "step_profile.py", "", "")
    plan("map", "PatchGAN", "map_cost.py", "", "--rounds 2 --ndf 4 --size 64")
    for load, crop, rounds in ((286, 256, 60), (1100, 1024, 20)):
        full = f"--load-size {load} --crop-size {crop} --rounds {rounds}"
        plan("data", f"{crop} px", "data_loading.py", full, "--load-size 72 --crop-size 64 --rounds 2")
    for images in (10**3, 10**5, 10**6):
        plan("store", f"{images} images", "store.py", f"--images {images}", "--images 100")
        plan(
            "store",
            f"{images} images on the disk",
            "store.py",
            f"--images {images} --store mmap",
            "--images 100 --store mmap",
        )
    plan("exchange", "two processes", "exchange.py", "", "--keys 100")
    plan("evaluation", "KID and FCN", "evaluation.py", "", "--images 2 --size 32 --rounds 1")
    plan("soak", "2,000 steps", "soak.py", "", "--steps 300 --warm-up 100 --no-visdom --limit 1000")
    return planned


def main() -> int:
    """Run what is not done yet; 1 if a part failed or the time was too short."""
    args = options(__doc__, minutes=120).parse_args()
    return run(parts(args.rehearse), args)


if __name__ == "__main__":
    sys.exit(main())
