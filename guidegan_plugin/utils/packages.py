"""Which packages are installed, and in which version."""

from __future__ import annotations

import importlib.metadata
import importlib.util

# Build isolation takes the newest setuptools, whichever is installed, and visdom has no wheel. Its page names a style
# sheet outside its static folder, which tornado refuses since 6.6.
_INSTALLED_BY = {
    "visdom": "echo 'setuptools<82' > c.txt && PIP_CONSTRAINT=c.txt PIP_BUILD_CONSTRAINT=c.txt "
    'pip install visdom "tornado<6.6"'
}


def install_command(package: str) -> str:
    """What a user types to install a package."""
    return _INSTALLED_BY.get(package, f"pip install {package}")


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
