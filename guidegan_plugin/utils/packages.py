"""Which packages are installed, and in which version."""

from __future__ import annotations

import importlib.metadata
import importlib.util


def is_installed(package: str) -> bool:
    """Whether a package can be found; a mere folder of that name, such as wandb's of logs, is none."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def version_of(distribution: str) -> str:
    """A distribution's version; unknown where it is a folder on ``PYTHONPATH``, not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
