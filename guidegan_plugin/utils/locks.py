"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from guidegan_plugin.errors import HostError
from guidegan_plugin.utils.text import short

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None

_log = logging.getLogger(__name__)
_NAME = ".guide_lock"


def try_lock(number: int) -> bool | None:
    """Lock an open file for as long as it is open.

    Args:
        number: Its file descriptor.

    Returns:
        Whether it is locked now; False where another process holds it, None where there are no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


class FolderLock:
    """Keeps the folder of a training to one process.

    A record lock: no child inherits it, such as a loader's worker that outlives a killed training for a moment. The
    same process may take it twice.

    Args:
        folder: The folder; it is made where it is not there.
        cure: What the user can change, for the error.
        name: Of the lock, where several trainings may share a folder.

    Raises:
        HostError: If another process holds it.
    """

    def __init__(self, folder: Path, cure: str, name: str = _NAME) -> None:
        self._path, self._process = folder / name, os.getpid()
        self._number: int | None = None
        if fcntl is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while self._number is None:
                self._number = self._locked()
        except BlockingIOError as error:
            raise HostError(f"another training writes into {folder} ({_holder(self._path)}); {cure}") from error
        except OSError as error:
            # It cannot be written to either, or it lies on a drive without locks.
            _log.warning("%s cannot be locked (%s): take care that no second training writes there", folder, error)

    def _locked(self) -> int | None:
        """The lock's file, locked; None if it was taken away in between.

        Raises:
            OSError: If another process has it, or it cannot be had.
        """
        number = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            try:
                fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except PermissionError as error:  # what some systems say in place of the next
                raise BlockingIOError from error
            if not os.path.samestat(os.fstat(number), self._path.lstat()):
                os.close(number)
                return None
            os.ftruncate(number, 0)
            since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
            os.write(number, f"process {self._process} on {socket.gethostname()}, since {since}".encode())
        except FileNotFoundError:
            os.close(number)
            return None
        except BaseException:
            os.close(number)
            raise
        return number

    def release(self) -> None:
        """Let others in; twice is fine, and in a child it does nothing."""
        if self._number is None or os.getpid() != self._process:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()  # while it is still locked: who opens it now sees that it is gone
        os.close(self._number)
        self._number = None


def _holder(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return short(file.read(200)) or "another process"
    except OSError:
        return "another process"
