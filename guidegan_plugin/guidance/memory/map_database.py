"""How a file of maps is opened: SQLite with what keeps saves whole and readers unhindered."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.utils.text import short

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import sqlite3
    except ImportError:  # a Python that was built without
        sqlite3 = None

Error = () if sqlite3 is None else (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises, and Python where what is torn stands in SQLite's message."""

_OperationalError = () if sqlite3 is None else (sqlite3.OperationalError,)

APPLICATION = 0x47474D31
"""Says whose database it is."""

TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE maps (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, row BLOB NOT NULL, checksum INT NOT NULL)",
)
"""All that is in it, in the order of its names."""

# Pages of 8 KB: seven maps of 31 x 31 in one. A save that was returned from is on the disk (FULL), and readers never
# wait for it (WAL). Pages that wait for the end of a save take 64 MB at most.
PRAGMAS = ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "cache_size = -65536")
"""How it is written."""

PATIENCE = 10.0
"""Seconds that a statement waits for another process."""

# A file may come from anybody.
_WARY = ("trusted_schema = OFF", "cell_size_check = ON")


def require() -> None:
    """Refuse a Python that was built without SQLite.

    Raises:
        ConfigError: If this one was.
    """
    if sqlite3 is None:
        raise ConfigError("store=mmap needs SQLite, which this Python was built without; change --guide_store")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database.

    Args:
        path: The file.
        mode: ``"ro"``, ``"rw"``, ``"rwc"`` to make it, or another of SQLite's options, ``name=value``.

    Raises:
        sqlite3.Error: If it cannot be opened; some of what is wrong shows when it is read.
        ConfigError: If this Python has no SQLite.
    """
    require()
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode if '=' in mode else f'mode={mode}'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=PATIENCE,
    )
    for pragma in (*_WARY, *PRAGMAS[2:]):
        db.execute(f"PRAGMA {pragma}")
    return db


def connect_once(path: Path, mode: str) -> sqlite3.Connection:
    """As :func:`connect`, of a database that is read once, so that it can be read again.

    Raises:
        sqlite3.Error: If it cannot be opened or read.
        ConfigError: As :func:`connect`.
    """
    db = connect(path, mode)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open a database that is written to later; where nobody may, it is read, and the writing fails.

    Raises:
        sqlite3.Error: As :func:`connect`.
        ConfigError: Likewise.
    """
    try:
        db = connect_once(path, "rw")
    except _OperationalError as error:
        if not _is_closed(error):
            raise
        db = connect_to_read(path)
    return db


def connect_to_read(path: Path, held: bool = False) -> sqlite3.Connection:
    """Open a database that is not written to, which may lie where nobody may write.

    Args:
        path: The file.
        held: Whether others may write to it meanwhile, where their folder permits it.

    Raises:
        sqlite3.Error: As :func:`connect`.
        ConfigError: Likewise.
    """
    try:
        db = connect_once(path, "ro")
    except _OperationalError as error:
        # It is read as it is, where all of it is in its place, and stays so.
        if not _is_closed(error) or not path.is_file() or _log(path) or (held and os.access(path.parent, os.W_OK)):
            raise
        db = connect(path, "immutable=1")
    return db


def _is_closed(error: Exception) -> bool:
    """Whether a database lies where nobody may write: reading needs that, too, while others write."""
    return any(said in str(error) for said in ("unable to open", "readonly"))


def _log(path: Path) -> Path | None:
    """The log of a database, where something in the log is not in its place yet."""
    log = path.with_name(f"{path.name}-wal")
    return log if log.exists() and log.stat().st_size else None


def cause(path: Path, error: Exception) -> str:
    """What keeps a database from being read, and what helps: a sentence that begins with the name of the file.

    Args:
        path: The file.
        error: What was raised; a StoreError says the first half of the sentence itself.
    """
    said = str(error)
    if not isinstance(error, StoreError):
        if "locked" in said:
            return f"is in use ({said}); wait until the other process is over"
        if _is_closed(error) and (log := _log(path)):
            return f"has a log ({log.name}) that must be taken in once; open both where their folder may be written to"
        if _is_closed(error):
            return f"cannot be opened ({said}); change its permissions, or put a whole copy in its place"
        said = f"is torn or no file of maps ({short(said)})"
    return f"{said}; put a whole copy in its place, or delete the *_guide.safetensors that name it to start from ones"


def remove(path: Path, db: sqlite3.Connection) -> None:
    """Close and delete a database."""
    with contextlib.suppress(*Error):
        db.close()
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).unlink()


def close(db: sqlite3.Connection, process: int, shared: Path | None = None) -> None:
    """Close a database that a process has opened; in a child of this process nothing happens.

    Args:
        db: The database.
        process: Number of the process.
        shared: The file, where another process wrote to it. Only who may write empties the log on closing last.
    """
    if os.getpid() != process:
        return
    with contextlib.suppress(*Error):
        db.close()
        if shared is not None and shared.is_file():
            connect_once(shared, "rw").close()


@contextlib.contextmanager
def writing(path: Path, cure: str) -> Iterator[None]:
    """Say in one line that something cannot be written.

    Args:
        path: The file.
        cure: What the user can change.

    Raises:
        StoreError: Instead of any error of SQLite and of the file system.
    """
    try:
        yield
    except (*Error, OSError) as error:
        forbidden = any(said in str(error) for said in ("readonly", "unable to open", "Permission", "Read-only"))
        first = "change its permissions" if forbidden else "free space"
        raise StoreError(f"{path} could not be written: {error}; {first} or change {cure}") from error
