"""The installer: adds files of ours to a host, and takes back exactly those."""

from __future__ import annotations

import os
from pathlib import Path

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.find_host import recognise
from guidegan_plugin.utils.files import write_whole

_CURE = "change HOST_DIR"


def install(root: Path) -> list[tuple[str, str]]:
    """Add the files with which a host's plain scripts train guided models; no file that is there changes.

    Args:
        root: The host's folder.

    Returns:
        What became of each file, ``added``, ``already there`` or ``left alone`` (it is not ours), and its path in the
        host.

    Raises:
        HostError: If the folder is not a host, or a file cannot be written; those added before it stay.
    """
    outcomes = []
    for name, text in recognise(root, cure=_CURE).files_to_add().items():
        path = root / name
        if not os.path.lexists(path):
            _write(path, text)
            outcomes.append(("added", name))
        else:
            outcomes.append(("already there" if _holds(path, text) else "left alone", name))
    return outcomes


def uninstall(root: Path) -> list[tuple[str, str]]:
    """Remove every file that holds exactly what we would write under its name, whichever way it came there.

    Args:
        root: The host's folder.

    Returns:
        What became of each file, ``removed`` or ``left alone`` (it is not ours), and its path in the host.

    Raises:
        HostError: If the folder is not a host, or a file cannot be removed.
    """
    outcomes = []
    for name, text in recognise(root, cure=_CURE).files_to_remove().items():
        ours = _holds(root / name, text)
        if ours:
            _remove(root / name)
        outcomes.append(("removed" if ours else "left alone", name))
    return outcomes


def _holds(path: Path, text: str) -> bool:
    """Whether a file is byte for byte ours; a link, a folder or a file that cannot be read is not."""
    try:
        return not path.is_symlink() and path.read_bytes() == text.encode()
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise HostError(
            f"{path} could not be written: {error.strerror}; let {path.parent} be written to, or change HOST_DIR"
        ) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise HostError(
            f"{path} could not be removed: {error.strerror}; let {path.parent} be written to, or change HOST_DIR"
        ) from error
