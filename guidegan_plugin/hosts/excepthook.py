"""What we refuse ends a script in one line, not in a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

from guidegan_plugin.errors import GuideError
from guidegan_plugin.utils.text import printable


def in_one_line(error: GuideError) -> str:
    """An error as its user reads it, ``guidegan: error: ...``."""
    # A data loader's worker hands an exception over with its whole traceback; the message follows its name there.
    message = str(error).rpartition(f"\n{type(error).__module__}.{type(error).__name__}: ")[2]
    # Not the last line alone: names of files may have line breaks, and what would act on a terminal.
    return printable(f"guidegan: error: {' '.join(message.split())}")


class OneLineErrors:
    """A ``sys.excepthook`` that writes a :class:`GuideError` in one line and leaves any other to the former hook."""

    def __init__(self) -> None:
        self._former = sys.excepthook

    @classmethod
    def install(cls) -> None:
        """Take the hook's place, once."""
        if not isinstance(sys.excepthook, cls):
            sys.excepthook = cls()

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Report an error that nobody caught; the interpreter then ends with exit code 1."""
        if isinstance(error, GuideError):
            sys.stderr.write(f"{in_one_line(error)}\n")
        else:
            self._former(kind, error, traceback)
