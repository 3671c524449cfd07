"""Plugins and the host: what is recognised, and what of it can be guided."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pluggy

from guidegan_plugin.errors import HostError, PluginError
from guidegan_plugin.plugins.check import Check, failed
from guidegan_plugin.plugins.entry_points import DISABLE, unknown_names
from guidegan_plugin.plugins.find_host import asking, find_host, registered_hosts, what_is_missing
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.manager import KINDS, collect, create_manager

_MOST = 500  # folders that are asked whether they are hosts: / and a home folder hold very many


def check_plugins() -> tuple[list[Check], pluggy.PluginManager]:
    """Each plugin that cannot be used, or one line with all that can.

    Returns:
        The checks, and a manager of the plugins that load.
    """
    broken: list[PluginError] = []
    manager = create_manager(broken=broken)
    for kind in KINDS:
        try:
            collect(manager, kind)
        except PluginError as error:
            broken.append(error)
    checks = [failed("plugins", error) for error in broken]
    if unknown := unknown_names():
        found = f"{DISABLE} names {', '.join(unknown)}, and no installed plugin is called so"
        checks.append(Check("plugins", "warning", found, "take the names that guidegan plugins lists"))
    names = ", ".join(name for name, _ in manager.list_name_plugin())
    return checks or [Check("plugins", "ok", names)], manager


def check_host(root: Path, manager: pluggy.PluginManager, required: bool = True) -> tuple[list[Check], Host | None]:
    """What a folder is to us: its family and generation, scripts, models, and what its host itself looks at.

    Args:
        root: The folder.
        manager: Whose hosts to ask.
        required: Whether a folder that is no host is a failure; a warning otherwise.

    Returns:
        The checks, and the host; None where the folder is none, or cannot be read.
    """
    host, checks = None, list[Check]()
    try:
        host = find_host(root, manager)
        if host is None:
            return [_no_host(root, manager, required)], None
        with asking(type(host)):
            checks.append(Check("host", "ok", host.description))
            checks += [_scripts(host), _models(host)]
            checks += host.check_declarations()
            checks += host.checks()
    except (HostError, PluginError) as error:  # files that are no Python; two hosts of one name; a host that fails
        checks.append(failed("host", error))
    return checks, host


def _no_host(root: Path, manager: pluggy.PluginManager, required: bool) -> Check:
    scripts = dict.fromkeys(kind.scripts[0] for kind in registered_hosts(manager))
    inner = _hosts_inside(root, manager)
    cure = f"give the folder that holds {' or '.join(scripts)} (HOST_DIR)"
    cure = f"give one of its folders that are (HOST_DIR): {', '.join(inner)}" if inner else cure
    cure += "" if required else ", unless you train a script of your own"
    return Check("host", "failure" if required else "warning", f"{root} {what_is_missing(manager)}", cure)


def _hosts_inside(root: Path, manager: pluggy.PluginManager) -> list[str]:
    """Folders in a folder, and in these, that are hosts; of many, such as those of a drive, the first are asked."""
    found = []
    for folder in itertools.islice(_two_levels(root), _MOST):
        with suppress(HostError, PluginError, PermissionError):
            if find_host(folder, manager) is not None:
                found.append(folder.relative_to(root).as_posix())
    return found


def _two_levels(root: Path) -> Iterator[Path]:
    """The folders in a folder, then those in these."""
    yield from (first := _folders(root))
    for folder in first:
        yield from _folders(folder)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones; none where it may not be looked into."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(Path(one.path) for one in entries if not one.name.startswith(".") and one.is_dir())
    return []


def _scripts(host: Host) -> Check:
    missing = [name for name in host.scripts if not (host.root / name).is_file()]
    if missing:
        cure = "give guidegan run the path of the host's own script"
        return Check("scripts", "warning", f"no {' and no '.join(missing)} in {host.root}", cure)
    return Check("scripts", "ok", ", ".join(host.scripts))


def _models(host: Host) -> Check:
    models = host.models()
    known = ", ".join(name for name, pairs_known in models.items() if pairs_known)
    others = ", ".join(name for name, pairs_known in models.items() if not pairs_known)
    found = [known] * bool(known) + [f"with {host.pairs_option} {others}"] * bool(others)
    if not found:
        return Check("models", "failure", f"no model in {host.root}", "give a host that has models (HOST_DIR)")
    return Check("models", "ok", "; ".join(found))
