"""Which packages are installed."""

from __future__ import annotations

import importlib.util


def is_installed(package: str) -> bool:
    """Whether a package can be found; a mere folder of that name, such as wandb's of logs, is none."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None
