"""Plugins and the host: what is recognised, and what of it can be guided."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pluggy

from guidegan_plugin.diagnosis.packages import is_installed
from guidegan_plugin.errors import HostError, PluginError
from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost
from guidegan_plugin.hosts.junyanz.guides import known_pairs
from guidegan_plugin.hosts.launcher import find_host, what_is_missing
from guidegan_plugin.plugins.check import Check, failed
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.manager import KINDS, collect, create_manager

_SCRIPTS = ("train.py", "test.py")


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
    if broken:
        return [failed("plugins", error) for error in broken], manager
    names = ", ".join(name for name, _ in manager.list_name_plugin())
    return [Check("plugins", "ok", names)], manager


def check_host(root: Path, manager: pluggy.PluginManager, required: bool = True) -> list[Check]:
    """What a folder is to us: its family and generation, models, scripts, and whether it needs wandb.

    Args:
        root: The folder.
        manager: Whose hosts to ask.
        required: Whether a folder that is no host is a failure; a warning otherwise.
    """
    try:
        host = find_host(root, manager)
    except (HostError, PluginError) as error:  # files that are no Python; two hosts of one name
        return [failed("host", error)]
    if host is None:
        cure = "give the folder that holds train.py, models, data and options (HOST_DIR)"
        cure += "" if required else ", unless you train a script of your own"
        return [Check("host", "failure" if required else "warning", f"{root} {what_is_missing(manager)}", cure)]
    checks = [Check("host", "ok", host.description), _scripts(root)]
    if isinstance(host, JunyanzHost):
        checks += [_models(host.codebase.model_names()), _wandb(host)]
    return checks


def _scripts(root: Path) -> Check:
    missing = [name for name in _SCRIPTS if not (root / name).is_file()]
    if missing:
        cure = "give guidegan run the path of the host's own script"
        return Check("scripts", "warning", f"no {' and no '.join(missing)} in {root}", cure)
    return Check("scripts", "ok", ", ".join(_SCRIPTS))


def _models(names: Sequence[str]) -> Check:
    known = ", ".join(f"guide_{name}" for name in names if _knows_pairs(name))
    others = ", ".join(f"guide_{name}" for name in names if not _knows_pairs(name))
    found = [known] * bool(known) + [f"with --guide_pairs {others}"] * bool(others)
    if not found:
        return Check("models", "failure", "no file models/<name>_model.py", "give a host that has models (HOST_DIR)")
    return Check("models", "ok", "; ".join(found))


def _knows_pairs(model: str) -> bool:
    try:
        return bool(known_pairs(model, argparse.Namespace(guide_pairs="", model_suffix="")))
    except HostError:
        return False


def _wandb(host: Host) -> Check:
    """The DDP generation imports wandb whether it is used or not."""
    paths = [host.root / "train.py", *sorted((host.root / "util").glob("*.py"))]
    importing = [path for path in paths if _imports_wandb(path)]
    if is_installed("wandb"):
        return Check("wandb", "ok", f"wandb {version('wandb')}")
    if importing:
        where = importing[0].relative_to(host.root)
        return Check(
            "wandb", "failure", f"not installed, and the host's {where} imports it always", "pip install wandb"
        )
    return Check("wandb", "ok", "not installed; this host does not need it")


def _imports_wandb(path: Path) -> bool:
    """Whether a file does at module level and outside ``try``."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return False
    modules = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in body if isinstance(node, ast.ImportFrom) and not node.level]
    return any(module.split(".")[0] == "wandb" for module in modules)
