"""The architecture: imports point one way and never in a circle, public things are documented, no call is forbidden."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import guidegan_plugin

PACKAGE = Path(guidegan_plugin.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"

# What each folder, or module beside the folders, may import besides itself; lowest first.
_GROUND = ("errors", "utils", "config")
ALLOWED = {
    "errors": (),
    "utils": ("errors",),
    "config": ("errors", "utils"),
    "guidance": _GROUND,
    "fast": ("utils", "guidance"),
    "plugins": (*_GROUND, "guidance"),
    "attaching": (*_GROUND, "guidance", "fast", "plugins"),
    "datasets": ("errors", "utils"),
    "evaluation": ("errors", "utils", "guidance", "plugins", "datasets"),
    "prediction": ("errors", "utils", "guidance", "plugins"),
    "reports": (*_GROUND, "guidance", "plugins", "evaluation"),
    "monitors": (*_GROUND, "guidance", "plugins"),
    "hosts": (*_GROUND, "guidance", "fast", "plugins", "attaching", "datasets", "reports"),
    "builtin": ("guidance", "plugins", "monitors", "hosts"),
    "diagnosis": (*_GROUND, "guidance", "plugins", "evaluation"),
    "cli": (
        *_GROUND,
        *("guidance", "plugins", "attaching", "datasets", "evaluation", "prediction"),
        *("reports", "monitors", "hosts", "diagnosis"),
    ),
    "__main__": ("utils", "cli"),
    "__init__": (*_GROUND, "guidance", "plugins", "attaching", "monitors", "hosts"),
}


def name_of(path: Path) -> str:
    return ".".join(["guidegan_plugin", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def folder_of(module: str) -> str:
    """``guidance`` for anything in that folder, ``__init__`` for the package itself."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports: also inside functions, and for the type checker alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write imports in full"
            if (node.module or "").split(".")[0] == "guidegan_plugin":
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {name if name in NAMES else str(node.module) for name in whole}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in NAMES}
    return found - {name_of(path)}


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
    own = folder_of(name_of(path))
    assert {folder_of(module) for module in imports(path)} - {own} <= set(ALLOWED[own]), "a new upward arrow"


def test_what_a_folder_may_import_stands_below_it() -> None:
    order = list(ALLOWED)
    assert all(order.index(below) < order.index(folder) for folder, allowed in ALLOWED.items() for below in allowed)
    assert set(order) == {folder_of(module) for module in NAMES}


def test_no_imports_go_in_a_circle() -> None:
    try:
        TopologicalSorter({name: imports(path) for name, path in NAMES.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_the_table_of_folders_in_the_documents_is_this_one() -> None:
    rows = re.findall(r"^\| `(\w+)/?` \|[^|]*\|([^|]*)\|$", ARCHITECTURE.read_text(), re.MULTILINE)
    documented = {folder: set(re.findall(r"`(\w+)/?`", allowed)) for folder, allowed in rows}
    inside = {folder: set(allowed) for folder, allowed in ALLOWED.items() if not folder.startswith("__")}
    assert documented == inside and [folder for folder, _ in rows] == list(inside)


def test_a_file_name_says_one_thing_in_the_whole_package() -> None:
    # Packages have an __init__, and so have mechanisms and hosts a base; a command's module is named as the command.
    names = Counter(path.name for path in MODULES if folder_of(name_of(path)) != "cli")
    assert {name for name, count in names.items() if count > 1} <= {"__init__.py", "base.py", "monitor.py"}
    assert not [path for path in MODULES if re.match(r"_[a-z]", path.name)], "a file under a private name"


def test_the_method_imports_only_what_it_is_made_of() -> None:
    outside = {"torch", "numpy", "safetensors", "guidegan_plugin", "__future__"}
    standard = {
        "abc",
        "array",
        "collections",
        "copy",
        "contextlib",
        "dataclasses",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "logging",
        "os",
    }
    standard |= {
        "math",
        "pathlib",
        "re",
        "secrets",
        "shlex",
        "sqlite3",
        "threading",
        "types",
        "typing",
        "weakref",
        "zlib",
    }
    for path in (PACKAGE / "guidance").rglob("*.py"):
        assert {name.split(".")[0] for name in imports_at_module_level(path)} <= outside | standard, path


def test_a_familys_name_and_options_are_known_in_its_own_folder_alone() -> None:
    folders = [path.name for path in (PACKAGE / "hosts").iterdir() if (path / "__init__.py").exists()]
    families = [name for name in folders if name not in ("families", "legacy", "scripts")]
    files = [path.stem for path in (PACKAGE / "hosts" / "families").glob("[a-z]*.py")]
    assert families
    known = re.compile(
        rf"{'|'.join([*families, *files])}"
        r"|--(checkpoints_dir|display_id|gpu_ids|input_nc|results_dir|save_epoch_freq)|train_opt|web.*images"
        r"|test_<epoch>|_real_A\.|[\"'](models|data)/|classic gen|DDP gen"
    )
    for path in MODULES:
        inside = path.relative_to(PACKAGE)
        known_here = inside.parts[0] == "hosts" and inside.parts[1] in ("families", *families)
        if known_here or inside.name == "builtin.py":
            continue
        assert not (found := known.search(path.read_text())), f"{inside}: {found[0]}"


def test_the_package_calls_nothing_on_what_belongs_to_the_host() -> None:
    forbidden = re.compile(
        r"\.backward\(|zero_grad\(|torch\.manual_seed|\.train\(|\.eval\(|weights_only=False|\bpickle\b"
    )
    for path in MODULES:
        code = "\n".join(line for line in path.read_text().splitlines() if '"""' not in line and "#" not in line)
        # What trains a network of our own, and nothing of a host's, is in a folder of its own.
        ours = path.relative_to(PACKAGE).parts[0] == "prediction"
        if not ours and path.name not in ("copy_safe.py", "import_hook.py"):
            assert not forbidden.search(re.sub(r'"""(.|\n)*?"""', "", code)), path
        assert not re.search(r"^\s*(assert |except:|exit\()", code, re.MULTILINE), path


def test_no_tensor_is_made_on_whatever_device_the_host_made_torchs_default() -> None:
    factories = {"arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "randperm", "tensor", "zeros"}
    elsewhere = {"cli", "diagnosis", "evaluation", "prediction", "reports"}  # our own commands, and no host beside them
    for path in (path for path in MODULES if folder_of(name_of(path)) not in elsewhere and path.name != "baking.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"torch.{name}" for name in factories}:
                assert "device" in {given.arg for given in node.keywords}, f"{path}:{node.lineno}"


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


# Who writes besides utils/files.py: into a folder that is put in place as a whole, into memory, or at a log's end.
WRITERS = {
    "datasets/encoding.py": "memory",
    "datasets/synthetic/drawn_set.py": "a staged folder",
    "evaluation/figures.py": "memory",
    "evaluation/inception.py": "memory",
    "hosts/junyanz/baking.py": "a staged folder",
    "hosts/junyanz/model.py": "a staged set of checkpoints",
    "hosts/legacy/scipy_misc.py": "an image that a host asks to be saved",
    "monitors/visdom/monitor.py": "a log's end",
    "reports/gallery/__init__.py": "a staged folder",
    "reports/gallery/thumbnails.py": "a staged folder",
    "reports/grid.py": "memory",
    "utils/files.py": "everything else",
    "utils/locks.py": "a lock, which nobody reads twice",
    "utils/streams.py": "what stands for a closed stream",
}


def test_one_module_writes_files() -> None:
    writing = re.compile(
        r"\.write_(text|bytes)\(|(?<!s\.)torch\.save\(|(image|picture|\))\.save\(|savefig\("
        r"|open\((.*, )?[\"'][wax]|os\.open\("
    )
    found = {path.relative_to(PACKAGE).as_posix() for path in MODULES if writing.search(path.read_text())}
    assert found == set(WRITERS)
