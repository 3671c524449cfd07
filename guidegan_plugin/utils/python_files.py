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
    raise HostError(f"{path} cannot be read as Python ({reason}); repair it, the host cannot import it either")
