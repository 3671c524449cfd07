"""Child processes, each with its share of the computer."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import guidegan_plugin
from guidegan_plugin.errors import GuideError


class RunError(GuideError):
    """A child process failed; the message says which and where its log is."""


def cores() -> int:
    """Of the CPU, as many as we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Executor:
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
