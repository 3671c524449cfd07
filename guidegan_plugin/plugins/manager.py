"""The plugin manager: built by a function, loaded one entry point at a time, strict about what it loads."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pluggy

from guidegan_plugin.errors import GuideError, PluginError
from guidegan_plugin.plugins import hookspecs
from guidegan_plugin.plugins.entry_points import DISABLE, OURS, Installed, installed

_log = logging.getLogger(__name__)

TRACE = "GUIDEGAN_TRACE_PLUGINS"

# By name, as an installed plugin is: the mechanisms, hosts and monitors in that module stand above this one.
BUILTIN = "guidegan_plugin.builtin"

KINDS = ("attention", "concatenation", "transfer", "host", "monitor")


def create_manager(plugins: Iterable[object] = (), broken: list[PluginError] | None = None) -> pluggy.PluginManager:
    """A manager with our own plugins, those installed under the entry-point group ``guidegan``, and those given.

    ``GUIDEGAN_DISABLE_PLUGINS=name,name`` leaves entry points out; ``GUIDEGAN_TRACE_PLUGINS=1`` logs every call.

    Args:
        plugins: Further plugins, modules or objects with ``hookimpl`` methods.
        broken: Takes the errors of installed plugins, which are left out then; None raises the first.

    Raises:
        PluginError: If a plugin cannot be imported, fails to register, implements a hook that does not exist, or has
            the name of another one.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(importlib.import_module(BUILTIN), name=OURS)
    for found in installed(broken).values():
        try:
            _load(manager, found)
        except PluginError as error:
            if broken is None:
                raise
            broken.append(error)
    for plugin in plugins:
        if manager.is_registered(plugin):  # installed as well
            continue
        name = _name_of(plugin)
        taken = sum(other.partition("#")[0] == name for other, _ in manager.list_name_plugin())
        _register(
            manager, plugin, f"{name}#{taken + 1}" if taken else name, f"plugin {name}", "leave it out of plugins="
        )
    if os.environ.get(TRACE):
        manager.trace.root.setwriter(lambda line: _log.warning("%s", line.rstrip()))
        manager.enable_tracing()
    return manager


def _name_of(plugin: object) -> str:
    """A module's name, or an object's class's."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return str(plugin.__name__) if isinstance(plugin, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"


def _load(manager: pluggy.PluginManager, found: Installed) -> None:
    name, cure = found.entry.name, f"set {DISABLE}={found.entry.name} to go on without it"
    with failures_named(f"{found} could not be loaded", cure):
        plugin = found.entry.load()
    _register(manager, plugin, name, str(found), cure)


@contextlib.contextmanager
def failures_named(what: str, cure: str) -> Iterator[None]:
    """While a plugin's code runs, whatever it raises becomes one error of ours: ``sys.exit`` ends nobody's process.

    Args:
        what: Failed, and whose it is.
        cure: What the user can do.

    Raises:
        PluginError: For anything but Ctrl-C and an error of ours.
    """
    try:
        yield
    except (GuideError, KeyboardInterrupt):
        raise
    except BaseException as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"{what}: {reason}; {cure}") from error


def _register(manager: pluggy.PluginManager, plugin: object, name: str | None, who: str, cure: str) -> None:
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except (Exception, SystemExit) as error:  # of pluggy, and of an object that looks its attributes up
        if manager.is_registered(plugin):  # one that implements an unknown hook would spoil the next one's check
            manager.unregister(plugin)
        reason = " ".join(str(error).split())
        raise PluginError(f"{who} could not be registered: {reason}; {cure}") from error


def collect(manager: pluggy.PluginManager, kind: str) -> dict[str, type[Any]]:
    """Everything registered of one kind.

    Args:
        manager: As :func:`create_manager` builds it.
        kind: One of ``KINDS``.

    Returns:
        Classes by their ``name``, ours first.

    Raises:
        PluginError: If a class has no name, or two have the same one.
    """
    hook: pluggy.HookCaller = getattr(manager.hook, f"guidegan_register_{kind}")
    found: dict[str, type[Any]] = {}
    owners: dict[str, str] = {}
    for implementation in hook.get_hookimpls():
        # One by one, because an exception inside pluggy's own loop would carry no plugin's name.
        for item in _call(implementation.function, implementation.plugin_name):
            name = getattr(item, "name", None)
            if not isinstance(name, str) or not name:
                raise PluginError(
                    f"{kind} {item!r} of plugin {implementation.plugin_name!r} has no name; give the class one"
                )
            if name in found:
                raise PluginError(
                    f"{kind} {name!r} is registered by {owners[name]} ({found[name].__module__}) and by "
                    f"{implementation.plugin_name} ({item.__module__}); set {DISABLE} to one of them"
                )
            found[name], owners[name] = item, implementation.plugin_name
    return found


def _call(function: Callable[..., Any], owner: str) -> list[type[Any]]:
    if owner == OURS:  # an error of ours, or of torch, is no plugin's to be left out
        return list(function())
    with failures_named(
        f"plugin {owner!r} failed in {function.__name__}", f"set {DISABLE}={owner} to go on without it"
    ):
        return list(function())


def resolve(manager: pluggy.PluginManager, kind: str, name: str, field: str) -> type[Any]:
    """The class registered under a name.

    Args:
        manager: As :func:`create_manager` builds it.
        kind: As for :func:`collect`.
        name: What the user asked for.
        field: The config field it came from, for the message.

    Raises:
        PluginError: If nothing of that name is registered; the message lists what is.
    """
    found = collect(manager, kind)
    if name not in found:
        known = ", ".join(sorted([*found, "none"] if kind == "attention" else found))
        raise PluginError(f"{field} {name!r} is unknown, known are: {known}; change {field} (--guide_{field})")
    return found[name]
