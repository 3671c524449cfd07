"""What is left to do when a host's script is over, whoever runs it.

An act that fails does not fail the script; a verdict does.
"""

from __future__ import annotations

import atexit
import io
import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from guidegan_plugin.errors import GuideError
from guidegan_plugin.hosts.excepthook import in_one_line

_log = logging.getLogger(__name__)


class _Script:
    """A script that runs, and what it leaves to do."""

    def __init__(self) -> None:
        self._left: list[Callable[[], object]] = []
        self._judges: list[Callable[[], GuideError | None]] = []
        self._always: list[Callable[[], object]] = []
        self._uncaught = _uncaught()

    def leave(self, act: Callable[[], object]) -> None:
        self._left.append(act)

    def judge(self, verdict: Callable[[], GuideError | None]) -> None:
        self._judges.append(verdict)

    def finally_do(self, act: Callable[[], object]) -> None:
        self._always.append(act)

    def ended(self) -> None:
        """Do what is left."""
        for act in self._left:
            try:
                act()
            except Exception as error:  # the script's own work is done and must not be lost for a page
                _log.warning("%s: %s", type(error).__name__, error)

    def judged(self) -> GuideError | None:
        """Why the end is not a good one, although the script takes it for one."""
        return next((error for verdict in self._judges if (error := verdict()) is not None), None)

    def over(self) -> None:
        """Do what is to be done however it ended."""
        for act in self._always:
            act()

    def process_ended(self) -> None:
        """Do what is left, unless the process ends with an error that came after this was made."""
        if _uncaught() is self._uncaught:
            self.ended()
            if (error := self.judged()) is not None:
                _fail_process(in_one_line(error))
        self.over()


_running: ContextVar[_Script | None] = ContextVar("running", default=None)


def at_end(act: Callable[[], object]) -> None:
    """Do something once the script has ended well: within :func:`whole_script`, else when the process ends.

    A process that nobody watches does not say how it ended: then an act is dropped if an error was left uncaught since,
    but ``sys.exit(1)`` looks like a good end, because the interpreter tells its exit code to nobody.
    """
    _script().leave(act)


def judge_end(verdict: Callable[[], GuideError | None]) -> None:
    """Ask something once the script has ended well, after what :func:`at_end` left: an error makes it a bad end.

    Within :func:`whole_script` the error is raised. Otherwise it is one line on standard error, and the interpreter's
    exit code becomes 120, its own for a process that could not be cleaned up.
    """
    _script().judge(verdict)


def when_over(act: Callable[[], object]) -> None:
    """Do something once the script is over, however it ended."""
    _script().finally_do(act)


def _script() -> _Script:
    """The script that runs; outside of :func:`whole_script` one of its own, which is over when the process ends."""
    script = _running.get()
    if script is None:
        script = _Script()
        atexit.register(script.process_ended)
    return script


class _Unflushable(io.TextIOBase):
    """Standard error that cannot be flushed any more: the one thing that still changes the exit code of a process.

    ``os._exit`` would, too, and would leave out what others have to clean up.
    """

    def flush(self) -> None:
        raise OSError


def _fail_process(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    sys.stderr = _Unflushable()


def is_good(end: SystemExit, good: Collection[str] = ()) -> bool:
    """Whether a script that exits has done its work: with code 0, or a text that its authors end a good run with.

    Args:
        end: What was raised.
        good: Those texts.
    """
    return end.code in (None, 0) or end.code in good


@contextmanager
def whole_script(good_ends: Collection[str] = ()) -> Iterator[None]:
    """A script runs within; what it leaves to do is done when it ends, and dropped when it fails.

    Args:
        good_ends: As ``Host.good_ends``.

    Raises:
        GuideError: If a verdict says that the end is not a good one.
    """
    script = _Script()
    outer = _running.set(script)
    try:
        yield
    except SystemExit as exited:
        if not is_good(exited, good_ends):
            raise
        script.ended()
        if (error := script.judged()) is not None:
            raise error from None
        raise
    else:
        script.ended()
        if (error := script.judged()) is not None:
            raise error
    finally:
        _running.reset(outer)
        script.over()


def _uncaught() -> object:
    """The last error that nobody caught, kept there by the interpreter; a notebook has one after any failed cell."""
    return getattr(sys, "last_value", None)
