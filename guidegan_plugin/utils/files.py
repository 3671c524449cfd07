"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from guidegan_plugin.errors import ConfigError, GuideError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it.

    Raises:
        OSError: If it cannot be written; a former file of that name is untouched then, and nothing else stays behind.
    """
    if not path.name:  # ".", or the root
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_output(path: Path, content: bytes, cure: str = "change --out, or what named the file") -> None:
    """Write a command's result; folders above it are made.

    Args:
        path: The file.
        content: What it holds.
        cure: What the user can change, for the error.

    Raises:
        ConfigError: If it cannot be written.
    """
    with os_errors_as(ConfigError, f"cannot write {path}", cure):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; folders above it are made.

    Args:
        path: The file.
        header: Names of the columns.
        rows: Of as many values; None is left empty.

    Raises:
        ConfigError: If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_output(path, text.getvalue().encode())


@contextlib.contextmanager
def os_errors_as(kind: type[GuideError], failure: str, cure: str) -> Iterator[None]:
    """Say in one line that something cannot be written.

    Args:
        kind: Of the error that is raised.
        failure: What cannot be done, with the path.
        cure: What the user can change.

    Raises:
        GuideError: Of that kind, instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        name = Path(str(error.filename or "")).name
        where = f" at {error.filename}" if name and not name.startswith(".") else ""  # hidden are our own, for a moment
        raise kind(f"{failure} ({error.strerror or error}{where}); {cure}") from error


@contextlib.contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Make a folder beside a path, to write into before :func:`put_in_place`; folders above it are made.

    Args:
        path: Where the result is to be.

    Yields:
        An empty folder. It is gone afterwards, unless it was put in place.

    Raises:
        OSError: If it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        folder = hidden / "new"  # one level down, because mkdtemp's own folder is closed to other users
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


@contextlib.contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Write a folder that appears when all went well.

    Args:
        path: Where it is to be; folders above it are made.
        replace: Whether an older folder there is replaced; otherwise it has to be empty.

    Yields:
        An empty folder beside it, to write into.

    Raises:
        OSError: If it cannot be written, or the path is taken.
    """
    with staging(path) as folder:
        yield folder
        put_in_place(folder, path, replace=replace)


def put_in_place(finished: Path, path: Path, *, replace: bool = False) -> None:
    """Rename a finished folder, or file, to its own name.

    Args:
        finished: On the same file system as `path`.
        path: Does not exist, or is an empty folder.
        replace: Whether what is there may be more than an empty folder; it stays until then.

    Raises:
        OSError: If `path` is taken, or cannot be written; what was there is there still.
    """
    older = path.with_name(f".{path.name}.{os.getpid()}.old")  # beside it, where no cleaning up of ours takes it away
    try:
        if path.exists() and replace:
            path.rename(older)
        elif path.exists():
            path.rmdir()  # Windows renames onto no folder, not even onto an empty one
        finished.rename(path)
    except BaseException:  # Ctrl-C, too
        if older.exists() and not path.exists():
            older.rename(path)
        raise
    shutil.rmtree(older, ignore_errors=True)
