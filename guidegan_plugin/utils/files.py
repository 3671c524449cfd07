"""Files and folders that appear whole or not at all; all that the package writes is written by these."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.utils.locks import try_lock

_HOLD = "hold"  # in a folder: what its writer holds

_AT_ONCE = 1 << 20  # bytes: a system takes much longer for a gigabyte that is written at once
_AGE = 60.0  # seconds after which something unfinished that nobody holds was left behind
_AGE_WITHOUT_LOCKS = 24 * 3600.0
_UNFINISHED = re.compile(r"\.guide-[0-9a-f]{16}\.tmp")

_REMEDIES: dict[int | None, str] = {
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), "remove what is there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "let more files be open (ulimit -n)"),
    errno.EFBIG: "let files be larger (ulimit -f)",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ENOENT: "make its folder again",
}


def write_whole(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file under a name that nobody can foresee, then rename it.

    A file that is replaced leaves its permissions to the new one. A link is replaced, not followed. Where the process
    is killed, a hidden file stays, which :func:`sweep` removes later.

    Args:
        path: The file; where it is a link to a folder or to a device, nothing is written.
        content: What it holds, or pieces of it, one after another.

    Raises:
        OSError: If it cannot be written; a former file of that name is untouched then, and nothing else stays behind.
    """
    if not path.name:  # ".", or the root
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary, file = _create(path.parent, _mode_of(path))
    try:
        with file:
            for piece in [content] if isinstance(content, bytes) else content:
                whole = memoryview(piece)
                for start in range(0, len(whole), _AT_ONCE):
                    file.write(whole[start : start + _AT_ONCE])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # Ctrl-C, too
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_again(finished: Path, path: Path) -> None:
    """Write what a finished file holds under a second name.

    A copy: what people write into one of two links by hand, as ``cp`` does, would be in both.

    Args:
        finished: The file.
        path: As for :func:`write_whole`.

    Raises:
        OSError: As :func:`write_whole`, or if the finished file cannot be read.
    """
    with finished.open("rb") as file:
        write_whole(path, iter(partial(file.read, _AT_ONCE), b""))


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder; what a living one writes is left to it.

    Who writes holds a lock on what it writes, which ends with the process. Without locks, as some network drives are,
    something counts as left behind after a day.
    """
    with contextlib.suppress(OSError):
        for path in [Path(entry.path) for entry in os.scandir(folder) if _UNFINISHED.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                if not _is_left(path):
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _is_left(path: Path) -> bool:
    if path.is_symlink():
        return False
    age = time.time() - path.stat().st_mtime
    held = path / _HOLD if path.is_dir() else path
    if age < _AGE or not held.exists():
        return age >= _AGE
    with held.open("rb") as file:
        locked = try_lock(file.fileno())
    return age >= _AGE_WITHOUT_LOCKS if locked is None else locked


def _unfinished(folder: Path) -> Path:
    return folder / f".guide-{secrets.token_hex(8)}.tmp"


def _create(folder: Path, mode: int | None) -> tuple[Path, BinaryIO]:
    """A new file in a folder, held by this process; None stands for what new files are permitted."""
    path = _unfinished(folder)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600)
    try:
        try_lock(number)
        if mode is not None:
            os.chmod(number if os.chmod in os.supports_fd else path, mode)  # noqa: PTH101 - by its number
        return path, os.fdopen(number, "wb")
    except BaseException:
        os.close(number)
        path.unlink()
        raise


def _mode_of(path: Path) -> int | None:
    """Permissions of a file that is to be replaced, None where there is none.

    Raises:
        OSError: If it is a folder or a device, or a link to one.
    """
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found):
        raise FileExistsError(errno.EEXIST, "Not a plain file", str(path))
    return stat.S_IMODE(found)


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
        sweep(path.parent)
        write_whole(path, content)


def remedy(error: Exception) -> str:
    """What helps against an error of writing, as the beginning of a sentence that goes on with another place."""
    return _REMEDIES.get(error.errno if isinstance(error, OSError) else None, "free space")


def explain(error: OSError | RuntimeError, folder: Path) -> tuple[str, str]:
    """What was full or forbidden, and what helps, as :func:`remedy` says it.

    Args:
        error: Of writing. ``torch.save`` reports a full disk, and a file that may grow no further, as a RuntimeError,
            which does not say so.
        folder: Where it was written: there it is tried again, with more than the largest file there has.
    """
    if not isinstance(error, OSError):
        try:
            largest = max((path.stat().st_size for path in folder.iterdir()), default=0)
            write_whole(folder / "trial", itertools.repeat(bytes(_AT_ONCE), largest // _AT_ONCE + 1))
        except OSError as found:
            error = found
    reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
    return reason, remedy(error)


@contextlib.contextmanager
def os_errors_as(kind: type[GuideError], failure: str, cure: str = "") -> Iterator[None]:
    """Say in one line that something cannot be written.

    Args:
        kind: Of the error that is raised.
        failure: What cannot be done, with the path.
        cure: What the user can change; by default what :func:`remedy` says.

    Raises:
        GuideError: Of that kind, instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        name = Path(str(error.filename or "")).name
        where = f" at {error.filename}" if name and not name.startswith(".") else ""  # hidden are our own, for a moment
        raise kind(f"{failure} ({error.strerror or error}{where}); {cure or remedy(error)}") from error


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
    sweep(path.parent)
    hidden = _unfinished(path.parent)
    hidden.mkdir(mode=0o700)
    try:
        with (hidden / _HOLD).open("wb") as hold:
            try_lock(hold.fileno())
            folder = hidden / "new"  # one level down, because the hidden folder is closed to other users
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
    older = _unfinished(path.parent).with_suffix(".old")  # beside it, where no cleaning up of ours takes it away
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
