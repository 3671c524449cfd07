"""What the doctor asks of the family: packages that its generations import, and options without which they wait."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import torch

from guidegan_plugin.plugins.check import Check
from guidegan_plugin.utils.packages import is_installed


def check_gpu() -> list[Check]:
    """The classic generation asks for a GPU unless it is told otherwise; nothing is said where there is one."""
    if torch.cuda.is_available():
        return []
    return [
        Check("GPU", "warning", "none, and the classic generation asks for one", "train and test with --gpu_ids -1")
    ]


def check_visdom() -> list[Check]:
    """The classic generation starts a Visdom server, or waits for one; nothing is said where visdom is installed."""
    if is_installed("visdom"):
        return []
    found = "not installed, and the classic generation shows its windows there"
    return [Check("host's visdom", "warning", found, "train with --display_id -1")]


def check_wandb(root: Path) -> Check:
    """The DDP generation imports wandb whether it is used or not."""
    paths = [root / "train.py", *sorted((root / "util").glob("*.py"))]
    importing = [path for path in paths if _imports_wandb(path)]
    if is_installed("wandb"):
        return Check("wandb", "ok", f"wandb {version('wandb')}")
    if importing:
        where = importing[0].relative_to(root)
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
