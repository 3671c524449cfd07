"""What is left to do when a host's script is over, whoever runs it; it never fails the script."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_log = logging.getLogger(__name__)


class _Script:
    """A script that runs, and what it leaves to do."""

    def __init__(self) -> None:
        self._left: list[Callable[[], object]] = []
        self._uncaught = _uncaught()

    def leave(self, act: Callable[[], object]) -> None:
        self._left.append(act)

    def ended(self) -> None:
        """Do what is left."""
        for act in self._left:
            try:
                act()
            except Exception as error:  # the script's own work is done and must not be lost for a page
                _log.warning("%s: %s", type(error).__name__, error)

    def process_ended(self) -> None:
        """Do what is left, unless the process ends with an error that came after this was made."""
        if _uncaught() is self._uncaught:
            self.ended()


_running: ContextVar[_Script | None] = ContextVar("running", default=None)


def at_end(act: Callable[[], object]) -> None:
    """Do something once the script has ended well: within :func:`whole_script`, else when the process ends.

    A process that nobody watches does not say how it ended: then an act is dropped if an error was left uncaught since,
    but ``sys.exit(1)`` looks like a good end, because the interpreter tells its exit code to nobody.
    """
    script = _running.get()
    if script is None:
        script = _Script()
        atexit.register(script.process_ended)
    script.leave(act)


@contextmanager
def whole_script() -> Iterator[None]:
    """A script runs within; what it leaves to do is done when it ends, and dropped when it fails."""
    script = _Script()
    outer = _running.set(script)
    try:
        yield
    except SystemExit as exited:
        if exited.code in (None, 0):
            script.ended()
        raise
    else:
        script.ended()
    finally:
        _running.reset(outer)


def _uncaught() -> object:
    """The last error that nobody caught, kept there by the interpreter; a notebook has one after any failed cell."""
    return getattr(sys, "last_value", None)
