"""What the doctor asks of the family: packages that its generations import, and options without which they wait."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import torch

from guidegan_plugin.hosts.junyanz.codebase import DATASETS
from guidegan_plugin.hosts.missing_packages import check_packages, imports
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.utils.packages import is_installed
from guidegan_plugin.utils.python_files import parse_python

_METHODS = ("setup", "set_input", "optimize_parameters", "update_learning_rate", "save_networks")


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
    importing = [path for path in paths if imports(path, "wandb")]
    if is_installed("wandb"):
        return Check("wandb", "ok", f"wandb {version('wandb')}")
    if importing:
        where = importing[0].relative_to(root)
        return Check(
            "wandb", "failure", f"not installed, and the host's {where} imports it always", "pip install wandb"
        )
    return Check("wandb", "ok", "not installed; this host does not need it")


def check_contract(root: Path) -> Check:
    """A guided training is told of batches, steps, epochs and checkpoints by methods of the codebase's base model."""
    body = parse_python(root / "models/base_model.py").body
    base = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == "BaseModel"), None)
    has = {node.name for node in base.body if isinstance(node, ast.FunctionDef)} if base is not None else set()
    missing = [name for name in _METHODS if name not in has]
    if not missing:
        return Check("host's methods", "ok", ", ".join(_METHODS))
    return Check(
        "host's methods",
        "failure",
        f"BaseModel in models/base_model.py has no {', '.join(missing)}",
        "call the methods as pytorch-CycleGAN-and-pix2pix does, or guide your class with guidegan_plugin.guided",
    )


def check_imports(root: Path) -> list[Check]:
    """Packages that every training of the codebase imports and this Python lacks; nothing is said where none is."""
    paths = [root / "train.py", root / "models/base_model.py", root / "models/networks.py"]
    paths += [path for folder in ("data", "options", "util") for path in sorted((root / folder).glob("*.py"))]
    # Other data sets are imported where they are asked for.
    others = {f"{name}_dataset" for name in (*DATASETS, "base")}
    paths = [path for path in paths if not path.stem.endswith("_dataset") or path.stem in others]
    return check_packages(root, paths, apart=("wandb",))
