"""Packages that only scoring needs: an install hint where one is missing, and their versions for result files."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from types import ModuleType

from guidegan_plugin.errors import ConfigError


def optional(module: str) -> ModuleType:
    """Import a module of a package of the extra ``eval``.

    Raises:
        ConfigError: If the package is not installed, or does not import here.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f'scoring needs {module.partition(".")[0]} ({error}); pip install "guidegan_plugin[eval]"'
        ) from error


def versions(*packages: str) -> dict[str, str]:
    """Versions of this package, of what computes, and of the named distributions, for a result file.

    A package that is not installed as a distribution (a checkout, another build of Pillow) is left out.
    """
    found: dict[str, str] = {}
    for name in ("guidegan_plugin", "torch", "numpy", "pillow", *packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
