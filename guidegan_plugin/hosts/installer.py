"""The installer: adds files of ours to a host, and takes back exactly those."""

from __future__ import annotations

import os
from pathlib import Path

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost
from guidegan_plugin.hosts.junyanz.installed import added_files, content
from guidegan_plugin.utils.files import write_whole


def install(root: Path) -> list[tuple[str, str]]:
    """Add a file for each model and data set of a host that can be guided; no file that is there changes.

    Args:
        root: The host's folder.

    Returns:
        What became of each file, ``added``, ``already there`` or ``left alone`` (it is not ours), and its path in the
        host.

    Raises:
        HostError: If the folder is not a host, or a file cannot be written; those added before it stay.
    """
    host = _host(root)
    outcomes = []
    for name, text in added_files(host.codebase.model_names(), host.codebase.dataset_names()).items():
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
    _host(root)
    outcomes = []
    for path in sorted([*root.glob("data/guide_*_dataset.py"), *root.glob("models/guide_*_model.py")]):
        ours = _holds(path, content(path.stem))
        if ours:
            _remove(path)
        outcomes.append(("removed" if ours else "left alone", path.relative_to(root).as_posix()))
    return outcomes


def _host(root: Path) -> JunyanzHost:
    host = JunyanzHost.recognise(root)
    if host is None:
        raise HostError(
            f"{root} is no codebase that files can be added to: {JunyanzHost.name} looks for {JunyanzHost.looks_for}; "
            "change HOST_DIR"
        )
    return host


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
