"""What the system says of a file that cannot be read, apart from what is wrong with the file's content."""

from __future__ import annotations

import errno
from pathlib import Path

_AT_ONCE = 1 << 20  # bytes


def read_through(path: Path, whole: bool = True) -> None:
    """Let the system say whether a file can be read, before a library guesses.

    Libraries call most refusals of a system a file that is not there, or a torn one, and what looks into a file on a
    failing disk ends the process (SIGBUS).

    Args:
        path: The file.
        whole: Whether all of the file is read, or its beginning.

    Raises:
        OSError: If the system does not let it be read.
    """
    with path.open("rb") as file:
        while file.read(_AT_ONCE) and whole:
            pass


def unreadable(path: Path, error: OSError) -> str:
    """A file that the system does not let be read, in one line that says why and what helps.

    Args:
        path: The file.
        error: As :func:`read_through` raises it.
    """
    return f"{path} cannot be read ({error.strerror or error}); {_remedy(error)}"


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "change its permissions"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "let more files be open (ulimit -n)"
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ELOOP):
        return "remove what is there"
    return "try again once the system gives it, or put a copy in its place"
