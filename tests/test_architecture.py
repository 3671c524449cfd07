"""The house: imports point one way, public things are documented, forbidden calls are absent."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import guidegan_plugin

PACKAGE = Path(guidegan_plugin.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each folder may import at module level, besides itself.
_GROUND = {"errors", "config", "utils"}
ALLOWED = {
    "errors": set(),
    "utils": {"errors"},
    "config": {"errors", "utils"},
    "guidance": _GROUND,
    "plugins": {*_GROUND, "guidance"},
    "attaching": {*_GROUND, "guidance", "plugins"},
    "datasets": {"errors", "utils"},
    "evaluation": {"errors", "utils", "guidance", "plugins", "datasets"},
    "reports": {"errors", "utils", "guidance", "plugins", "evaluation"},
    "hosts": {*_GROUND, "guidance", "plugins", "attaching", "reports"},
    "monitors": {*_GROUND, "guidance", "plugins"},
    "builtin": {"guidance", "plugins", "hosts", "monitors"},
    "diagnosis": {*_GROUND, "guidance", "plugins"},
    "cli": {*_GROUND, "guidance", "plugins", "hosts"},
    "__main__": {"cli"},
    "__init__": {"errors"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_at_module_level(path: Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    inside = {name.split(".")[1] for name in imports_at_module_level(path) if name.startswith("guidegan_plugin.")}
    assert inside - {room(path)} <= ALLOWED[room(path)], "a new upward arrow"


def test_the_method_imports_only_what_it_is_made_of() -> None:
    outside = {"torch", "numpy", "safetensors", "guidegan_plugin", "__future__"}
    standard = {
        "abc",
        "collections",
        "contextlib",
        "dataclasses",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "logging",
        "os",
    }
    standard |= {"pathlib", "types", "typing", "weakref"}
    for path in (PACKAGE / "guidance").rglob("*.py"):
        assert {name.split(".")[0] for name in imports_at_module_level(path)} <= outside | standard, path


def test_a_familys_name_and_options_are_known_in_its_own_folder_alone() -> None:
    families = [path.name for path in (PACKAGE / "hosts").iterdir() if (path / "__init__.py").exists()]
    assert families
    known = re.compile(
        rf"{'|'.join(families)}|--(checkpoints_dir|display_id|gpu_ids|input_nc|results_dir|save_epoch_freq)|train_opt|web.*images"
        r"|test_<epoch>|_real_A\.|[\"'](models|data)/|classic gen|DDP gen"
    )
    for path in MODULES:
        inside = path.relative_to(PACKAGE)
        if (inside.parts[0] == "hosts" and inside.parts[1] in families) or inside.name == "builtin.py":
            continue
        assert not (found := known.search(path.read_text())), f"{inside}: {found[0]}"


def test_the_package_calls_nothing_on_what_belongs_to_the_host() -> None:
    forbidden = re.compile(
        r"\.backward\(|zero_grad\(|torch\.manual_seed|\.train\(|\.eval\(|weights_only=False|\bpickle\b"
    )
    for path in MODULES:
        code = "\n".join(line for line in path.read_text().splitlines() if '"""' not in line and "#" not in line)
        if path.name not in ("copy_safe.py", "import_hook.py"):
            assert not forbidden.search(re.sub(r'"""(.|\n)*?"""', "", code)), path
        assert not re.search(r"^\s*(assert |except:|exit\()", code, re.MULTILINE), path


def public_things(module: ModuleType) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        found.append((f"{module.__name__}.{name}", value))
        if inspect.isclass(value):
            found += [
                (f"{module.__name__}.{name}.{member}", function)
                for member, function in vars(value).items()
                if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, property))
            ]
    return found


def test_everything_public_is_documented() -> None:
    import importlib

    for path in MODULES:
        name = ".".join(["guidegan_plugin", *path.relative_to(PACKAGE).with_suffix("").parts])
        if "junyanz.datasets." in name or name.endswith("__main__"):
            continue
        for thing, value in public_things(importlib.import_module(name.removesuffix(".__init__"))):
            documentation = inspect.getdoc(value) or ""
            assert documentation and not documentation.startswith("@"), f"{thing} has no docstring"


def test_modules_are_one_idea_each() -> None:
    long = {str(path): length for path in MODULES if (length := len(path.read_text().splitlines())) > 290}
    assert not long
