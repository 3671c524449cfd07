"""The ``guidegan`` command, also as ``python -m guidegan_plugin`` and under ``torchrun -m``.

Ctrl-C ends the command with code 130 and without a traceback, from the first line of :func:`main` on. So nothing is
imported here before Ctrl-C is seen to: most of the command's first half second is imports.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130  # what a shell calls it: 128 + SIGINT


def main() -> None:
    """Run the command in a process of its own; the process ends with it.

    Raises:
        SystemExit: With the command's exit code.
    """
    # Whoever ignores Ctrl-C for us, such as nohup, is not overruled.
    watched = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if watched:
        signal.signal(signal.SIGINT, _leave)
    from guidegan_plugin.cli import main as command
    from guidegan_plugin.utils.streams import flush_streams, say

    try:
        if watched:
            signal.signal(signal.SIGINT, _interrupt)
        command()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            say(ended.code)
            sys.exit(1)
        raise
    finally:
        if watched and signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, _leave)  # the command is over; the interpreter's own end is not to be seen
        flush_streams()


def _leave(*_: object) -> None:
    """End the process at once: there is nothing to clean up."""
    os._exit(_INTERRUPTED)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """What Python does at Ctrl-C, but within an import: there is nothing to clean up, and the error may get lost.

    torch imports numpy from C++, which drops whatever that import raises, and goes on without numpy.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _leave()
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
