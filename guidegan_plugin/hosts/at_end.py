"""What is left to do when a host's script is over, whoever runs it; it never fails the script."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)
_left: list[Callable[[], object]] = []


def at_end(act: Callable[[], object]) -> None:
    """Do something once the script has ended well: within :func:`whole_script`, else when the process ends."""
    if not _left:
        atexit.register(_at_exit)
    _left.append(act)


@contextmanager
def whole_script() -> Iterator[None]:
    """A script runs within; what it leaves to do is done when it ends, and dropped when it fails."""
    try:
        yield
    except SystemExit as ended:
        if ended.code in (None, 0):
            _do()
        raise
    else:
        _do()
    finally:
        _left.clear()


def _at_exit() -> None:
    if not hasattr(sys, "last_type"):  # the interpreter keeps there what nobody caught
        _do()


def _do() -> None:
    atexit.unregister(_at_exit)
    while _left:
        try:
            _left.pop(0)()
        except Exception as error:  # the script's own work is done and must not be lost for a page
            _log.warning("%s: %s", type(error).__name__, error)
