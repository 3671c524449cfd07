"""Which calls stand in a Python file, found by reading the file and not by running it.

A call is spelled by where it comes from, whatever the file calls that: ``numpy.int`` for ``np.int``, ``tensorboardX``
for an import of it or from it, ``.cuda()`` for that method of anything, ``yaml.load(stream)`` where no loader is given,
and ``assert torch.cuda.is_available()`` in an assert statement.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.utils.python_files import parse_python


@dataclass(frozen=True)
class Call:
    """A call in a file.

    Attributes:
        name: How it is spelled.
        path: The file.
        line: Its first line, from 1.
        last: Its last line.
        imported: Whether it is an import that every use of the file comes by: at its top level, outside ``try``.
        guarded: Whether the file sees to that itself: behind a question such as ``if cuda:``, an import in a ``try``.
    """

    name: str
    path: Path
    line: int
    last: int
    imported: bool = False
    guarded: bool = False


def calls_of(path: Path) -> list[Call]:
    """All calls in a file, of modules as of methods.

    Args:
        path: The file.

    Raises:
        HostError: If it cannot be read, or is no Python.
    """
    tree = parse_python(path)
    known = _imported_names(tree)
    top = {id(node) for node in tree.body}
    return [
        Call(name, path, node.lineno, node.end_lineno or node.lineno, id(node) in top and _is_import(node), guarded)
        for node, guarded in _walk(tree)
        for name in _spellings(node, known)
    ]


def _walk(node: ast.AST, guarded: bool = False) -> Iterator[tuple[ast.expr | ast.stmt, bool]]:
    if isinstance(node, ast.expr | ast.stmt):
        yield node, guarded
    if isinstance(node, ast.If | ast.IfExp):
        guarded = guarded or _asks_for_a_gpu(node.test)
    tried = node.body if isinstance(node, ast.Try) and node.handlers else []
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, guarded or (child in tried and _is_import(child)))


def _asks_for_a_gpu(test: ast.expr) -> bool:
    words = [getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(test)]
    return any("cuda" in word.lower() for word in words)


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Each name that a file imports, and what it stands for."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                known[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _spellings(node: ast.expr | ast.stmt, known: dict[str, str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [] if node.level else [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Attribute):
        name = _dotted(node, known)
        return [name] if name else []
    if isinstance(node, ast.Call):
        return _of_a_call(node, known)
    if isinstance(node, ast.Assert):
        asked = [_dotted(call.func, known) for call in ast.walk(node.test) if isinstance(call, ast.Call)]
        return [f"assert {name}()" for name in asked if name]
    return []


def _of_a_call(node: ast.Call, known: dict[str, str]) -> list[str]:
    name = _dotted(node.func, known)
    if name == "yaml.load":
        given = len(node.args) > 1 or any(keyword.arg in ("Loader", None) for keyword in node.keywords)
        return [] if given else ["yaml.load(stream)"]
    if name is None and isinstance(node.func, ast.Attribute):
        return [f".{node.func.attr}()"]
    return []


def _dotted(node: ast.expr, known: dict[str, str]) -> str | None:
    """``numpy.int`` for ``np.int``; None where it does not begin with something imported."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, known)
        return None if before is None else f"{before}.{node.attr}"
    return None
