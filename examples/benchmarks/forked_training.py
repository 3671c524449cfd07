"""A training of the reference host in a forked process, which tells when it has loaded and when a save has returned."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.junyanz.model import GuidedModel

TRAIN = Path(__file__).parents[1] / "reference_host" / "train.py"
PATIENCE = 120.0  # seconds for anything; a training that needs longer hangs


class Training:
    """One process that trains, and what it has told so far.

    Args:
        folder: Where it works; its run is `checkpoints/run`.
        options: Of the host.
        delay: Seconds that each `fsync` and each rename of a save is delayed by.

    Attributes:
        heard: Pairs of a word (`loaded`, `saved`) and how many visits the memories had.
        exit_code: Once it has ended by itself, else None.
    """

    def __init__(self, folder: Path, options: list[str], delay: float) -> None:
        self.heard: list[tuple[str, int]] = []
        self.exit_code: int | None = None
        self._rest, self._hears, self.log = b"", True, folder / "log.txt"
        self._ear, mouth = os.pipe()
        os.set_blocking(self._ear, False)
        self.log.write_bytes(b"")
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._ear)
            _train(folder, options, mouth, delay)
        os.close(mouth)

    def listen(self) -> None:
        """Take in what it has told."""
        with contextlib.suppress(BlockingIOError):
            while self._hears and (chunk := os.read(self._ear, 65536)):
                self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        self.heard += [(word.decode(), int(number)) for word, number in (line.split() for line in lines)]

    def told(self, word: str) -> list[int]:
        """The visits it told with a word."""
        self.listen()
        return [visits for said, visits in self.heard if said == word]

    def wait_for(self, holds: Callable[[], object], pause: float = 0.001) -> bool:
        """Wait until something holds; False if the training ended by itself before."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.exit_code = os.waitstatus_to_exitcode(status)
                return bool(holds())
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE} s; the training says {self.log.read_text()[-2000:]}")
            if pause:
                time.sleep(pause)
        return True

    def kill(self) -> None:
        """End it at once."""
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.listen()
        self._hears = False
        os.close(self._ear)


def _train(folder: Path, options: list[str], mouth: int, delay: float) -> None:
    """The life of a forked process: it never returns."""
    code = 1
    try:
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        _tell_after("setup", "loaded", mouth)
        _tell_after("save_networks", "saved", mouth)
        _delay(os, "fsync", delay)
        _delay(Path, "replace", delay)
        launcher.run(TRAIN, options)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _tell_after(method: str, word: str, mouth: int) -> None:
    original = getattr(GuidedModel, method)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        visits = sum(guide.store.counts.visits for guide in self.guides.guides.values())
        os.write(mouth, f"{word} {visits}\n".encode())
        return result

    setattr(GuidedModel, method, call)


def _delay(owner: Any, name: str, seconds: float) -> None:
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return original(*args, **kwargs)

    setattr(owner, name, call)
