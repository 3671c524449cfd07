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

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
RESULT = "RESULT"

MECHANISMS = {
    "rhp": "",
    "alpha": "--guide_concat alpha",
    "conv": "--guide_transfer conv",
    "gradient": "--guide_signal gradient",
    "gradcam": "--guide_signal gradcam --guide_tap activation",
    "tam": "--guide_attention tam",
}
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


@dataclass(frozen=True)
class Part:
    """One command of a stage.

    Attributes:
        stage: The stage's JSON keeps what the command found.
        name: Its name there.
        command: Arguments of Python; ``RESULT`` is the file that the command writes.
    """

    stage: str
    name: str
    command: Sequence[object]


def parts(out: Path, rehearse: bool, host: Path) -> list[Part]:
    """All commands, in the order in which they are worth the most."""
    size, width, rounds, warmup = (64, 4, 2, 1) if rehearse else (256, 64, 20, 6)
    networks: list[object] = ["--ngf", width, "--ndf", width, "--netG", "resnet_9blocks"]
    step: list[object] = [HERE / "step_overhead.py", "--json", RESULT]
    step += ["--host", host, "--size", size, "--rounds", rounds]
    workers = [] if rehearse else ["-n", 8]
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
    study: list[object] = [folder / "run.py", folder / "shapes_128.yaml", "--out", out / "study", "--jobs", 6]
    return planned if rehearse else [*planned, Part("study", "shapes at 128 px", study)]


def perform(part: Part, out: Path, seconds: float) -> Any:
    """Run one command to its end, or to the clock's; what it found.

    Raises:
        RuntimeError: If it failed or was stopped, with the last line that it said.
    """
    result, log = out / "result.tmp", out / "log.txt"
    result.unlink(missing_ok=True)
    command = [sys.executable, *(str(result if word == RESULT else word) for word in part.command)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        output.write(f"\n$ {part.stage}, {part.name}: {' '.join(command)}\n".encode())
        output.flush()
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)  # a study then writes down how far it came
            try:
                code = child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                code = child.wait()
            if part.stage != "study":
                raise RuntimeError("stopped by the clock") from None
    found = read(part, out, result)
    if found is None:
        said = log.read_text(errors="replace").strip().splitlines()[-1]
        raise RuntimeError(f"ended with {code}: {said}")
    return found


def read(part: Part, out: Path, result: Path) -> Any:
    """What a command found, None if it left nothing."""
    if part.stage == "study":
        done = sorted(str(path.relative_to(out / "study")) for path in (out / "study").rglob("result.json"))
        report = out / "study" / "report.json"
        return json.loads(report.read_text()) if report.exists() else {"runs done": done}
    if not result.exists():
        return None
    if part.stage != "tests":
        return json.loads(result.read_text())
    suite = next(ElementTree.parse(result).getroot().iter("testsuite"))
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    failed = {
        f"{case.attrib['classname']}::{case.attrib['name']}": fault.attrib.get("message", "")[:500]
        for case in suite.iter("testcase")
        for fault in (*case.iter("failure"), *case.iter("error"))
    }
    apart = [name for name, message in failed.items() if message == "collection failure"]
    return {**counts, "seconds": float(suite.attrib["time"]), "not collected": apart, "failed": failed}


def machine() -> dict[str, object]:
    """On what the figures were taken."""
    packages = ("torch", "torchvision", "numpy", "pluggy", "safetensors", "pillow")
    found: dict[str, object] = {package: importlib.metadata.version(package) for package in packages}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    found |= {"python": platform.python_version(), "CUDA": torch.version.cuda}
    return {"GPU": gpu, "cores": os.cpu_count(), **found}


def keep(path: Path, content: object) -> None:
    """Write a JSON so that a stop in between loses nothing."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    """Run what is not done yet; 1 if a part failed or the time was too short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder of the results; one that is there is gone on with")
    add("--minutes", type=float, default=8, help="stop after so long, %(default)s by default")
    add("--only", action="append", help="this stage only; may be repeated")
    add("--host", type=Path, default=ROOT / "examples" / "reference_host", help="folder of its train.py")
    add("--rehearse", action="store_true", help="tiny sizes, also without a GPU; the figures mean nothing")
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.rehearse:
        sys.exit("gpu.py: torch finds no CUDA device; run it on a machine with a GPU, or try it with --rehearse")
    args.out.mkdir(parents=True, exist_ok=True)
    out, end, missing = args.out.resolve(), time.monotonic() + 60 * args.minutes, []
    for part in parts(out, args.rehearse, args.host.resolve()):
        if args.only and part.stage not in args.only:
            continue
        path = out / f"{part.stage}.json"
        stage = json.loads(path.read_text()) if path.exists() else {"machine": machine(), "results": {}}
        if part.name in stage["results"]:
            continue
        started = time.monotonic()
        try:
            if started > end:
                raise RuntimeError("no time was left")
            stage["results"][part.name] = perform(part, out, end - started)
            keep(path, stage)
            print(f"{part.stage}, {part.name}: {time.monotonic() - started:.0f} s", flush=True)
        except RuntimeError as error:
            missing.append(f"{part.stage}, {part.name}: {error}")
            print(missing[-1], flush=True)
    (out / "result.tmp").unlink(missing_ok=True)
    print(f"{len(missing)} parts are missing; the same command goes on from here" if missing else "complete")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
