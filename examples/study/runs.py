"""Trainings and tests: the host's own scripts in child processes, each with its share of the machine."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataset import Material
from reading import TEST_OPTIONS
from settings import Method, Study

import guidegan_plugin
from guidegan_plugin.errors import GuideError

NAME = "study"  # of the host's run, in a folder of its own


class RunError(GuideError):
    """A child process failed; the message says which and where its log is."""


def cores() -> int:
    """Of the CPU, as many as we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Run:
    """One method under one seed, in a folder of its own."""

    method: Method
    seed: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.method.name}, seed {self.seed}"


@dataclass
class Machine:
    """Deals out GPUs, or threads of the CPU, to child processes, and ends them when the study ends.

    Args:
        jobs: Child processes at a time.
        gpus: How many GPUs there are; 0 is the CPU.
    """

    jobs: int
    gpus: int
    _free: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def __post_init__(self) -> None:
        for job in range(self.jobs):
            self._free.put(job)

    @property
    def threads(self) -> int:
        return max(1, cores() // self.jobs)

    def run(self, command: list[str], folder: Path, log: Path) -> float:
        """Run a command to its end; seconds it took.

        Raises:
            RunError: If it fails, or the study is ending.
        """
        with self._share() as environment, log.open("wb") as output:
            started = time.monotonic()
            with self._lock:
                if self._ended:
                    raise RunError("stopped")
                child = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
                self._children.add(child)
            code = child.wait()
            with self._lock:
                self._children.discard(child)
        if code:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise RunError(f"failed with {code}: {lines[-1] if lines else 'it said nothing'}; the log is {log}")
        return time.monotonic() - started

    def end(self) -> None:
        """End all child processes, and start no other."""
        with self._lock:
            self._ended = True
            for child in self._children:
                child.terminate()

    @contextmanager
    def _share(self) -> Iterator[Mapping[str, str]]:
        job = self._free.get()
        try:
            yield self._environment(job)
        finally:
            self._free.put(job)

    def _environment(self, job: int) -> Mapping[str, str]:
        package = str(Path(guidegan_plugin.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(self.threads)}
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = _devices(self.gpus)[job % self.gpus]
        return environment


def _devices(gpus: int) -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",") if named else [str(number) for number in range(gpus)]


def train(study: Study, run: Run, dataroot: Path, machine: Machine) -> float:
    """Train from the start; the checkpoints appear when it is done. Seconds it took.

    Raises:
        RunError: If it fails.
    """
    attempt = _attempt(run, "train")
    options = [*_options(study.train_options), *_options(study.schedule)]
    if study.seed_option:
        options += [f"--{study.seed_option}", str(run.seed)]
    command = command_line(study, run, "train.py", dataroot, attempt) + options
    seconds = machine.run(command, study.host, run.folder / "train.log")
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    attempt.replace(run.folder / "checkpoints")
    return seconds


def test(study: Study, run: Run, epoch: int, material: Material, machine: Machine) -> tuple[Path, float]:
    """Translate the test images with one epoch's checkpoint; the folder of images, and seconds it took.

    Raises:
        RunError: If it fails, or left no images.
    """
    results = _attempt(run, f"test{epoch}")
    command = command_line(study, run, "test.py", material.root, run.folder / "checkpoints")
    command += [*_options(study.test_options), "--results_dir", str(results), "--epoch", str(epoch)]
    command += ["--num_test", str(material.tested), *(["--guide_show"] if run.method.guided else [])]
    seconds = machine.run(command, study.host, run.folder / f"test_{epoch}.log")
    pages = list(results.glob("*/*/images"))
    if not pages:
        raise RunError(f"test.py of epoch {epoch} left no folder of images; the log is test_{epoch}.log")
    return pages[0], seconds


def clear(run: Run) -> None:
    """Remove what attempts before left half done."""
    for old in run.folder.glob("attempt-*"):
        shutil.rmtree(old, ignore_errors=True)


def _attempt(run: Run, what: str) -> Path:
    # A name of this process's own: what a killed study has left running writes elsewhere.
    folder = run.folder / f"attempt-{os.getpid()}-{what}"
    folder.mkdir(parents=True)
    return folder


def command_line(study: Study, run: Run, script: str, dataroot: Path, checkpoints: Path) -> list[str]:
    """The command of a script of the host's, with guidance within its reach if the method is guided."""
    method = run.method
    launcher = ["-m", "guidegan_plugin", "run"] if method.guided else []
    command = [sys.executable, *launcher, str(study.host / script), "--dataroot", str(dataroot.resolve())]
    command += ["--checkpoints_dir", str(checkpoints.resolve()), "--name", NAME]
    command += ["--model", f"guide_{study.model}" if method.guided else study.model, *_options(study.options)]
    if study.data.direction != "AtoB":
        command += ["--direction", study.data.direction]
    if method.guided:
        guide = {"seed": run.seed, **method.options}  # unless the method says it, randomness differs between seeds
        told = {name: value for name, value in guide.items() if script == "test.py" or name not in TEST_OPTIONS}
        command += _options({f"guide_{name}": value for name, value in told.items()})
    return command


def _options(options: Mapping[str, object]) -> list[str]:
    words = []
    for name, value in options.items():
        if value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
