"""The plugin manager: built by a function, loaded one entry point at a time, strict about what it loads."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
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
from guidegan_plugin.utils.options import NoOptions
from guidegan_plugin.utils.text import short

_log = logging.getLogger(__name__)

TRACE = "GUIDEGAN_TRACE_PLUGINS"
_NOT_GIVEN = "leave it out of plugins="

# By name, as an installed plugin is: the mechanisms, hosts and monitors in that module stand above this one.
BUILTIN = "guidegan_plugin.builtin"

# What is registered of each kind is a subclass of this. By name, because some of them import torch.
_BASES = {
    "attention": "guidance.attention.base.Attention",
    "concatenation": "guidance.concatenation.base.Concatenation",
    "transfer": "guidance.concatenation.transfer.Transfer",
    "host": "plugins.host.Host",
    "monitor": "plugins.monitor.Monitor",
}
KINDS = tuple(_BASES)


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
        if isinstance(plugin, type):  # its methods would lack their object
            raise PluginError(f"plugins= takes objects, found the class {plugin.__name__}; make it {plugin.__name__}()")
        if manager.is_registered(plugin):  # installed as well
            continue
        name = _name_of(plugin)
        taken = sum(other.partition("#")[0] == name for other, _ in manager.list_name_plugin())
        register(manager, plugin, f"{name}#{taken + 1}" if taken else name, f"plugin {name}", _NOT_GIVEN)
    return manager


def _name_of(plugin: object) -> str:
    """A module's name, or an object's class's."""
    kind = type(plugin)
    return str(plugin.__name__) if isinstance(plugin, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"


def _load(manager: pluggy.PluginManager, found: Installed) -> None:
    name, cure = found.entry.name, f"set {DISABLE}={found.entry.name} to go on without it"
    with failures_named(f"{found} could not be loaded", cure):
        plugin = found.entry.load()
    register(manager, plugin, name, str(found), cure)


@contextlib.contextmanager
def failures_named(what: str, cure: str, passed: tuple[type[GuideError], ...] = ()) -> Iterator[None]:
    """While a plugin's code runs, whatever it raises becomes one error of ours: ``sys.exit`` ends nobody's process.

    Args:
        what: Failed, and whose it is.
        cure: What the user can do.
        passed: Errors that the plugin is asked to raise, whose messages are the user's.

    Raises:
        PluginError: For anything but these and Ctrl-C.
    """
    through: tuple[type[BaseException], ...] = (KeyboardInterrupt, *passed)
    try:
        yield
    except through:
        raise
    except BaseException as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"{what}: {reason}; {cure}") from error


def register(manager: pluggy.PluginManager, plugin: object, name: str, who: str, cure: str) -> None:
    """Register a plugin whose every hook there is.

    Args:
        manager: Takes it.
        plugin: A module or an object.
        name: Its name there.
        who: What it is to the user, for the error.
        cure: What the user can do.

    Raises:
        PluginError: If it implements a hook that does not exist, with other arguments, or as a wrapper.
    """
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
        for caller in manager.get_hookcallers(plugin) or ():
            if any(one.plugin is plugin and (one.wrapper or one.hookwrapper) for one in caller.get_hookimpls()):
                raise PluginError(f"it wraps {caller.name}, and plugins are called one by one")
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
        PluginError: If what a plugin registers is no class of the kind, has no name, or the name of another.
    """
    found: dict[str, type[Any]] = {}
    owners: dict[str, str] = {}
    for owner, function in implementations(manager, hook := f"guidegan_register_{kind}"):
        if owner == OURS:  # an error of ours, or of torch, is no plugin's to be left out
            items = function()
        else:
            with failures_named(f"plugin {owner!r} failed in {hook}", cure_for(owner)):
                items = list(function())
        for item in items:
            if fault := _fault(kind, item):
                raise PluginError(f"{kind} {short(item)} of plugin {owner!r} {fault}, or {cure_for(owner)}")
            if item.name in found:
                raise PluginError(
                    f"{kind} {item.name!r} is registered by {owners[item.name]} ({found[item.name].__module__}) and by "
                    f"{owner} ({item.__module__}); give one another name, or {cure_for(owner)}"
                )
            found[item.name], owners[item.name] = item, owner
    return found


def _fault(kind: str, item: Any) -> str:
    """Why something that was registered is none of its kind, and what to change; "" where it is one."""
    module, _, base = _BASES[kind].rpartition(".")
    if not isinstance(item, type):
        return "is no class; register the class itself"
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not name:
        return "has no name; give the class one"
    if not issubclass(item, getattr(importlib.import_module(f"{OURS}.{module}"), base)):
        return f"is no subclass of {OURS}.{base}; make it one"
    if not dataclasses.is_dataclass(getattr(item, "Options", NoOptions)):
        return "has Options that are no dataclass; make them one"
    return ""


def cure_for(owner: str) -> str:
    """How a user goes on without a plugin.

    Args:
        owner: The plugin's name.
    """
    return f"set {DISABLE}={owner} to go on without it" if owner in installed([]) else _NOT_GIVEN


def is_ours(kind: type) -> bool:
    """Whether a class that is registered is one of this package's own, which no user can leave out."""
    return kind.__module__.partition(".")[0] == OURS


def implementations(manager: pluggy.PluginManager, hook: str) -> list[tuple[str, Callable[..., Any]]]:
    """Who implements a hook, to be called one by one: what is raised in pluggy's own loop has no plugin's name.

    Args:
        manager: As :func:`create_manager` builds it.
        hook: The hook's name.

    Returns:
        The plugins' names, and what takes the hook's arguments by their names, ours first.
    """
    traced = os.environ.get(TRACE, "0") not in ("", "0")
    found = getattr(manager.hook, hook).get_hookimpls()
    return [(one.plugin_name, functools.partial(_call, one, hook if traced else "")) for one in found]


def _call(implementation: pluggy.HookImpl, traced: str, **arguments: object) -> Any:
    if traced:  # not the arguments' values: to show a tensor is to wait for the device
        _log.warning("%s(%s) of plugin %s", traced, ", ".join(arguments), implementation.plugin_name)
    # As pluggy has it: an implementation may leave arguments out.
    return implementation.function(**{name: arguments[name] for name in implementation.argnames})


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
