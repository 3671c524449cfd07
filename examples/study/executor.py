"""Child processes, each with its share of the computer."""

from __future__ import annotations

import os
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

    Whoever asks names its place in the study. The lowest place is next, even one that is only expected to ask: it is
    chance which thread asks first.

    Args:
        jobs: Child processes at a time.
        gpus: How many GPUs there are; 0 is the CPU.
    """

    jobs: int
    gpus: int
    _free: list[int] = field(default_factory=list)
    _expected: set[int] = field(default_factory=set)
    _waiting: list[int] = field(default_factory=list)
    _served: set[int] = field(default_factory=set)
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _change: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def __post_init__(self) -> None:
        self._free.extend(range(self.jobs))

    @property
    def threads(self) -> int:
        """Of the CPU, for each child process: what the user set, or an equal share of the cores."""
        given = os.environ.get("OMP_NUM_THREADS", "")
        return int(given) if given.isdecimal() and int(given) else max(1, cores() // self.jobs)

    def run(self, command: list[str], folder: Path, log: Path, place: int = 0) -> float:
        """Run a command to its end; seconds it took.

        Args:
            command: It.
            folder: To run it in.
            log: Keeps what it says.
            place: Of those that wait for their turn, the lowest is next.

        Raises:
            RunError: If it fails, or the study is ending.
        """
        with self._share(place) as environment, log.open("wb") as output:
            started = time.monotonic()
            with self._change:
                if self._ended:
                    raise RunError("stopped")
                child = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
                self._children.add(child)
            code = child.wait()
            with self._change:
                self._children.discard(child)
        if code:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise RunError(f"failed with {code}: {lines[-1] if lines else 'it said nothing'}; the log is {log}")
        return time.monotonic() - started

    def expect(self, *places: int) -> None:
        """Serve none behind these places before they ask, each time anew, until they are dismissed."""
        with self._change:
            self._expected.update(places)

    def dismiss(self, place: int) -> None:
        """Expect a place no more."""
        with self._change:
            self._expected.discard(place)
            self._change.notify_all()

    @contextmanager
    def aside(self, place: int) -> Iterator[None]:
        """While it lasts, a place does what takes long and asks for nothing, so that nobody waits for it."""
        self.dismiss(place)
        try:
            yield
        finally:
            self.expect(place)

    def end(self) -> None:
        """End all child processes, and start no other."""
        with self._change:
            self._ended = True
            for child in self._children:
                child.terminate()
            self._change.notify_all()

    @contextmanager
    def _share(self, place: int) -> Iterator[Mapping[str, str]]:
        with self._change:
            self._waiting.append(place)
            self._change.wait_for(lambda: self._ended or (self._free and self._next() == place))
            if self._ended:
                raise RunError("stopped")
            self._waiting.remove(place)
            self._served.add(place)
            job = self._free.pop(0)
            self._change.notify_all()
        try:
            yield self._environment(job)
        finally:
            with self._change:
                self._served.discard(place)
                self._free.append(job)
                self._change.notify_all()

    def _next(self) -> int:
        """The place to serve, whether it waits or is expected to."""
        return min([*self._waiting, *(self._expected - self._served)])

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
