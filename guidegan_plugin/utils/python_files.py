"""Python files of other people, read and not run."""

from __future__ import annotations

import ast
from pathlib import Path

from guidegan_plugin.errors import HostError


def parse_python(path: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        HostError: If it cannot be read, or is no Python.
    """
    try:
        return ast.parse(path.read_bytes())  # bytes, because a file may declare its encoding
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        reason = f"{error.msg}{where}"
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    except (RecursionError, MemoryError):  # of Python's parser, and of no machine
        reason = "its expressions lie too deep in each other"
    raise HostError(f"{path} cannot be read as Python ({reason}); repair it, the host cannot import it either")


def methods_in(tree: ast.Module, name: str) -> set[str] | None:
    """The methods of a class that a file defines, those of its base classes in the same file among them.

    Args:
        tree: The file.
        name: Of the class.

    Returns:
        Their names; None where a base class is none of the file, so that nobody can tell.
    """
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        return None
    found: set[str] = set()
    for node in classes[name].body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id == "object":
            continue
        inherited = methods_in(tree, base.id) if isinstance(base, ast.Name) and base.id != name else None
        if inherited is None:
            return None
        found |= inherited
    return found
