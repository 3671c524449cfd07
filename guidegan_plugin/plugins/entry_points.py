"""Plugins that are installed: entry points of the group ``guidegan``, each with the distribution it comes from."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from guidegan_plugin.errors import PluginError

ENTRY_POINTS = "guidegan"
DISABLE = "GUIDEGAN_DISABLE_PLUGINS"
OURS = "guidegan_plugin"


@dataclass(frozen=True)
class Installed:
    """An entry point and its distribution."""

    entry: importlib.metadata.EntryPoint
    distribution: importlib.metadata.Distribution

    @property
    def title(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution.metadata['Name']} {self.distribution.version}"

    def __str__(self) -> str:
        return f"plugin {self.entry.name!r} of {self.title} ({self.entry.value})"


def installed(broken: list[PluginError] | None = None) -> dict[str, Installed]:
    """Entry points that are to be loaded, by name; ``GUIDEGAN_DISABLE_PLUGINS=name,name`` leaves some out.

    Of a distribution that lies at two places of ``sys.path`` the first counts, as for an import.

    Args:
        broken: Takes the errors; these entry points are left out then. None raises the first.

    Raises:
        PluginError: If two have one name, one has the name of our own plugins, or a distribution's cannot be read.
    """
    found: dict[str, list[Installed]] = {}
    errors: list[PluginError] = []
    for plugin in _plugins(errors):
        if plugin.entry.name not in left_out():
            found.setdefault(plugin.entry.name, []).append(plugin)
    errors += [_double(name, plugins) for name, plugins in found.items() if len(plugins) > 1 or name == OURS]
    if errors and broken is None:
        raise errors[0]
    if broken is not None:
        broken += errors
    return {name: plugins[0] for name, plugins in found.items() if len(plugins) == 1 and name != OURS}


def left_out() -> set[str]:
    """The names in ``GUIDEGAN_DISABLE_PLUGINS``."""
    return {name.strip() for name in os.environ.get(DISABLE, "").split(",")} - {""}


def unknown_names() -> list[str]:
    """The names in ``GUIDEGAN_DISABLE_PLUGINS`` that no installed plugin has."""
    return sorted(left_out() - {plugin.entry.name for plugin in _plugins([])})


def _plugins(errors: list[PluginError]) -> list[Installed]:
    """All entry points of our group, and what is wrong with the distributions that name it."""
    found = []
    for distribution in _advertising():
        name = _name(distribution)
        try:
            if not name:
                raise ValueError("the METADATA beside them is not UTF-8")
            entries = [entry for entry in distribution.entry_points if entry.group == ENTRY_POINTS]
        except Exception as error:  # a line that is none; whose group it is of is not known
            whose = name or f"a distribution in {distribution.locate_file('')}"
            errors.append(PluginError(f"the entry points of {whose} cannot be read ({error}); install it anew"))
            continue
        found += [Installed(entry, distribution) for entry in entries]
    return found


def _advertising() -> list[importlib.metadata.Distribution]:
    """The distributions that name our group, of each name the first on ``sys.path``.

    An environment has some hundred distributions. Text is looked at here, because parsing the metadata of all of them
    takes longer than all else that an ``attach`` does.
    """
    distributions = list(importlib.metadata.distributions())
    if not any(map(_names_our_group, distributions)):
        return []
    first: dict[str, importlib.metadata.Distribution] = {}
    for distribution in distributions:
        first.setdefault(_name(distribution) or str(id(distribution)), distribution)
    return list(filter(_names_our_group, first.values()))


def _names_our_group(distribution: importlib.metadata.Distribution) -> bool:
    try:
        return f"[{ENTRY_POINTS}]" in (distribution.read_text("entry_points.txt") or "")
    except UnicodeDecodeError:  # somebody else's
        return False


def _name(distribution: importlib.metadata.Distribution) -> str:
    """A distribution's name, as pip compares names; "" where nobody can read it."""
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:
        return ""
    told = re.search(r"^Name:[ \t]*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    return re.sub(r"[-_.]+", "-", told[1] if told else str(distribution.metadata["Name"])).lower()


def _double(name: str, plugins: list[Installed]) -> PluginError:
    who = " and ".join(map(str, plugins))
    if name == OURS:
        who += " has the name of the built-in plugins of guidegan_plugin"
        return PluginError(f"{who}; uninstall it, or set {DISABLE}={name} to go on without it")
    return PluginError(f"{who} have one name; uninstall one, or set {DISABLE}={name} to go on without both")


def code_of(plugin: object, distribution: importlib.metadata.Distribution) -> Path | None:
    """Where a plugin's code lies, if not in its distribution: another folder of ``sys.path`` may come first.

    Args:
        plugin: As it was loaded.
        distribution: Whose entry point it is.

    Returns:
        The file; None where the distribution has it, or nobody knows.
    """
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    files = [Path(str(one.locate())).resolve() for one in distribution.files or ()]
    base = Path(str(distribution.locate_file(""))).resolve()
    # A list of files without any source is of an editable install, or of none: its code lies at one place.
    listed = any(one.suffix == ".py" for one in files)
    own = path in files if listed else path.is_relative_to(_editable(distribution) or base)
    return None if own else path


def _editable(distribution: importlib.metadata.Distribution) -> Path | None:
    """The folder of an editable install."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = str(told["url"]) if told.get("dir_info", {}).get("editable") else ""
    except (ValueError, KeyError, AttributeError):
        return None
    return Path(url.removeprefix("file://")).resolve() if url.startswith("file://") else None
