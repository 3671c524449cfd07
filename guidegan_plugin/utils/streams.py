"""Standard streams that are closed, full, or of a poor encoding: printing there ends no command in a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

_STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


def open_streams() -> None:
    """Let closed standard streams lead nowhere, and escape what the encoding of an open one lacks."""
    for number, name, mode in _STREAMS:
        stream = getattr(sys, name)
        if stream is None:  # closed when the process began: guidegan ... >&-
            _take(number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for as long as the process lives
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Write a line to standard error; nobody is told where that is impossible."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")


def flush_streams() -> None:
    """Write what waits, so that the interpreter has nothing left to fail with at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # full, gone, or closed by a script
            _give_up(stream)


def _give_up(stream: TextIO) -> None:
    """Let what waits for a stream that takes nothing go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def _take(number: int) -> None:
    """Open the null device under the number of a closed stream.

    Else the next file that is opened has this number, and holds what libraries print.
    """
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        os.set_inheritable(number, True)
