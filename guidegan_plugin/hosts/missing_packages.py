"""Packages that the files of a codebase import and this Python lacks, found by reading the files."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.utils.python_files import parse_python

# What pip calls a package that is imported by another name.
_DISTRIBUTIONS: Mapping[str, str] = {
    "cv2": "opencv-python",
    "PIL": "Pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


def check_packages(root: Path, paths: Iterable[Path], apart: Collection[str] = ()) -> list[Check]:
    """A failure for each package that is lacking; nothing is said where none is.

    Args:
        root: The codebase's folder; what lies there is no package.
        paths: Files that every run comes by.
        apart: Packages that somebody else speaks of.
    """
    own = {path.stem for path in root.iterdir()}
    missing: dict[str, Path] = {}
    for path in paths:
        for folder, module in _modules(path, root):
            package = module.partition(".")[0]
            if folder == root and package not in {*own, *apart} and find_spec(package) is None:
                missing.setdefault(package, path)
    return [
        Check(
            "host's imports",
            "failure",
            f"{path.relative_to(root)} imports {name}, which is not there",
            f"pip install {_DISTRIBUTIONS.get(name, name)}",
        )
        for name, path in missing.items()
    ]


def imported_from(root: Path, scripts: Iterable[str]) -> list[Path]:
    """Scripts, and the files of the codebase that they import, directly or not; what is imported in a call is not seen.

    Args:
        root: The codebase's folder.
        scripts: Relative to that; those that are not there are passed over.
    """
    found: dict[Path, None] = {}
    left = [root / name for name in scripts]
    while left:
        path = left.pop(0)
        if path.is_file() and path not in found:
            found[path] = None
            for folder, module in _modules(path, root):
                place = folder.joinpath(*module.split("."))
                left += [place.with_suffix(".py"), place / "__init__.py"]
    return list(found)


def imports(path: Path, module: str) -> bool:
    """Whether a file imports a package, or from it, at its top level and outside ``try``."""
    return any(found.partition(".")[0] == module for _, found in _modules(path, path.parent))


def _modules(path: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """What a file imports at its top level, outside ``try``: the folder it is looked for in first, and its name."""
    try:
        body = parse_python(path).body
    except HostError:  # a side file of another Python; the host's own are parsed where that matters
        return
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((root, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1] if node.level else root
            for name in (alias.name for alias in node.names):  # a module of a package, or what a module defines
                yield from (
                    (folder, one) for one in ((node.module, f"{node.module}.{name}") if node.module else (name,))
                )
