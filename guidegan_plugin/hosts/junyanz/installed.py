"""Files of ours in a host's ``models`` and ``data``, its own extension point: what they hold and what they import."""

from __future__ import annotations

from collections.abc import Iterable

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.excepthook import OneLineErrors
from guidegan_plugin.hosts.junyanz import import_hook as modules

_CONTENT = '''\
"""Added by guidegan_plugin; "guidegan uninstall HOST_DIR" removes it."""

from guidegan_plugin.hosts.junyanz.installed import guided_class

{name} = guided_class(__name__)
'''


def content(module: str) -> str:
    """What an added file holds, the same in every host, so that we know it again.

    Args:
        module: Its name without ``.py``, such as ``guide_cycle_gan_model``.
    """
    # The host's discovery compares lower-cased names, so each word's own capitals do not matter.
    return _CONTENT.format(name="".join(word.capitalize() for word in module.split("_")))


def added_files(models: Iterable[str], datasets: Iterable[str]) -> dict[str, str]:
    """The files that make models and data sets of a host guided ones.

    Args:
        models: As for ``--model``, without ``guide_``.
        datasets: As for ``--dataset_mode``, without ``guide_``.

    Returns:
        What each file holds, by its path in the host. Data sets come first: a model looks for its own among them.
    """
    names = [("data", f"guide_{name}_dataset") for name in datasets]
    names += [("models", f"guide_{name}_model") for name in models]
    return {f"{folder}/{name}.py": content(name) for folder, name in names}


def guided_class(module_name: str) -> type:
    """The class a host expects in an added file.

    From then on an error of ours that nobody catches is one line, as it is under ``guidegan run``.

    Args:
        module_name: The file's ``__name__``.

    Raises:
        HostError: If the host has no such model, or the file was renamed.
    """
    OneLineErrors.install()
    found = modules.guided_class(module_name)
    if found is None:
        raise HostError(f"{module_name} is not the name a file of ours was added under; undo its renaming or delete it")
    return found
