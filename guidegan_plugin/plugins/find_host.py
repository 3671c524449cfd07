"""Asks the registered hosts whose a folder is: a codebase, or what a run of a codebase left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pluggy

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.entry_points import DISABLE
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.manager import collect, create_manager, failures_named, is_ours


def registered_hosts(manager: pluggy.PluginManager | None = None) -> list[type[Host]]:
    """All hosts, ours first.

    Args:
        manager: Whose hosts, by default all that are installed.

    Raises:
        PluginError: If a plugin cannot be loaded, or two hosts have one name.
    """
    return list(collect(manager or create_manager(), "host").values())


def recognise(root: Path, manager: pluggy.PluginManager | None = None, cure: str = "") -> Host:
    """The host adapter for a codebase.

    Args:
        root: The codebase's folder.
        manager: Whose hosts to ask, by default all that are installed.
        cure: What to change where it is none; by default the script that lies there.

    Raises:
        HostError: If no host knows the codebase; the message says what each looked for.
    """
    manager = manager or create_manager()
    host = find_host(root, manager)
    if host is None:
        cure = cure or "name a script in such a folder (SCRIPT)"
        raise HostError(f"{root} {what_is_missing(manager)}; {cure}")
    return host


def find_host(root: Path, manager: pluggy.PluginManager) -> Host | None:
    """The host adapter for a codebase, None if no host knows it; hosts of plugins are asked before ours.

    Args:
        root: The codebase's folder.
        manager: Whose hosts to ask.

    Raises:
        HostError: If a host knows the folder but cannot read its files.
        PluginError: If a plugin's host fails otherwise.
    """
    for kind in _ours_last(registered_hosts(manager)):
        with asking(kind):
            if (host := kind.recognise(root)) is not None:
                return host
    return None


def what_is_missing(manager: pluggy.PluginManager) -> str:
    """Why a folder was not recognised, as the end of a sentence that begins with the folder."""
    looked = []
    for kind in registered_hosts(manager):
        with asking(kind):
            looked.append(f"{kind.name} looks for {kind.looks_for}")
    return f"is no codebase we know: {'; '.join(looked)}"


def host_of_run(folder: Path, hosts: Iterable[type[Host]]) -> type[Host] | None:
    """The first host that knows a folder as what a run of its codebase left, None if none does; as in find_host."""
    for kind in _ours_last(hosts):
        with asking(kind):
            if kind.is_run(folder):
                return kind
    return None


@contextmanager
def asking(kind: type[Host]) -> Iterator[None]:
    """While a host is asked, whatever it raises is said with its name.

    Args:
        kind: The host.

    Raises:
        HostError: If the host raises one, or the user may not read what the host reads.
        PluginError: If it raises anything else.
    """
    cure = "please report it, with what guidegan --debug shows" if is_ours(kind) else f"set {DISABLE} to its plugin"
    with failures_named(f"host {kind.name!r} ({kind.__module__}) failed", cure, passed=(HostError,)):
        try:
            yield
        except PermissionError as error:
            raise HostError(f"{error.filename} cannot be read ({error.strerror}); change its permissions") from error


def _ours_last(hosts: Iterable[type[Host]]) -> list[type[Host]]:
    """Whoever installs a host means it: what ours would take as well, such as ``images/*_real.png``, is that host's."""
    return sorted(hosts, key=is_ours)
