"""Commands whose figures are kept, one JSON a stage: what is done is not repeated, and what is missing is named."""

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
HERE = Path(__file__).resolve().parent
RESULT = "RESULT"
# What a step is measured with, by its name in the results.
MECHANISMS = {
    "rhp": "",
    "alpha": "--guide_concat alpha",
    "conv": "--guide_transfer conv",
    "gradient": "--guide_signal gradient",
    "gradcam": "--guide_signal gradcam",
    "tam": "--guide_attention tam",
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
            child.send_signal(signal.SIGINT)  # a study then ends its trainings
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            raise RuntimeError("stopped by the clock") from None
    found = read(part, out, result)
    failed_tests = part.stage == "tests" and code == 1  # which are figures, too
    if found is None or (code and not failed_tests):
        said = log.read_text(errors="replace").strip().splitlines()[-1]
        raise RuntimeError(f"ended with {code}: {said}")
    return found


def read(part: Part, out: Path, result: Path) -> Any:
    """What a command found, None if it left nothing."""
    if part.stage == "study":
        result = out / "study" / "report.json"
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


def options(about: str, minutes: float) -> argparse.ArgumentParser:
    """The options of every script that runs parts.

    Args:
        about: The script's docstring.
        minutes: After which it stops by default.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder of the results; one that is there is gone on with")
    add("--minutes", type=float, default=minutes, help="stop after so long, %(default)s by default")
    add("--only", action="append", help="this stage only; may be repeated")
    add("--rehearse", action="store_true", help="tiny sizes; the figures mean nothing")
    return parser


def run(planned: Sequence[Part], args: argparse.Namespace) -> int:
    """Run what is not done yet, and say how far that came.

    Args:
        planned: All commands, in their order.
        args: Of :func:`options`.

    Returns:
        1 if a part failed or the time was too short, else 0.
    """
    stages = list(dict.fromkeys(part.stage for part in planned))
    for name in args.only or []:
        if name not in stages:
            sys.exit(f"--only: no stage {name!r}, known are {', '.join(stages)}")
    out: Path = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    about = {"machine": machine(), "rehearsal": args.rehearse}
    end, missing = time.monotonic() + 60 * args.minutes, []
    for part in planned:
        if args.only and part.stage not in args.only:
            continue
        path = out / f"{part.stage}.json"
        stage = json.loads(path.read_text()) if path.exists() else about | {"results": {}}
        if stage.get("rehearsal", False) != args.rehearse:
            sys.exit(f"{path} is {'no' if args.rehearse else 'a'} rehearsal; take another OUT")
        if stage["machine"] != about["machine"]:
            sys.exit(f"{path} is of another machine, or of other packages; take another OUT")
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
