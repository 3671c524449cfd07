"""What the doctor asks of the family: packages that its generations import, and options without which they wait."""

from __future__ import annotations

import ast
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

from guidegan_plugin.hosts.junyanz.codebase import DATASETS
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
    importing = [path for path in paths if _imports_wandb(path)]
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
    own = {path.stem for path in root.iterdir()}
    paths = [root / "train.py", root / "models/base_model.py", root / "models/networks.py"]
    paths += [path for folder in ("data", "options", "util") for path in sorted((root / folder).glob("*.py"))]
    missing: dict[str, Path] = {}
    for path in paths:
        if path.stem.endswith("_dataset") and path.stem.removesuffix("_dataset") not in (*DATASETS, "base"):
            continue  # read where it is asked for
        for module in _imports(path):
            package = module.partition(".")[0]
            if package not in own | {"wandb"} and find_spec(package) is None:
                missing.setdefault(package, path)
    return [
        Check(
            "host's imports",
            "failure",
            f"{path.relative_to(root)} imports {name}, which is not there",
            f"pip install {name}",
        )
        for name, path in missing.items()
    ]


def _imports_wandb(path: Path) -> bool:
    """Whether a file does at module level and outside ``try``."""
    return any(module.partition(".")[0] == "wandb" for module in _imports(path))


def _imports(path: Path) -> list[str]:
    """The modules that a file imports, or imports from, at module level and outside ``try``."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return []
    whole = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    return [*whole, *(node.module or "" for node in body if isinstance(node, ast.ImportFrom) and not node.level)]
