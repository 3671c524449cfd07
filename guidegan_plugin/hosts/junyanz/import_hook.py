"""Modules the host looks for by name: ``models.guide_<x>_model``, ``data.guide_<x>_dataset``."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import re
from collections.abc import Sequence
from types import ModuleType

from guidegan_plugin.hosts.junyanz.codebase import DATASETS

_MODEL = re.compile(r"models\.guide_(\w*)_model")  # of a bare guide_, too: that we refuse in words
_DATASET = re.compile(rf"data\.guide_({'|'.join(DATASETS)})_dataset")


def guided_class(module_name: str) -> type | None:
    """The class a host expects in a module of that full name; None if the name is not one of ours.

    Raises:
        HostError: If the host has no such model to guide.
    """
    if match := _MODEL.fullmatch(module_name):
        from guidegan_plugin.hosts.junyanz.model import guided_model

        return guided_model(match[1])
    if match := _DATASET.fullmatch(module_name):
        module = importlib.import_module(f"guidegan_plugin.hosts.junyanz.datasets.{match[1]}")
        found: type = getattr(module, f"Guide{match[1].capitalize()}Dataset")
        return found
    return None


class VirtualModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves modules that have no file."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for one of our module names, None for any other."""
        if _MODEL.fullmatch(fullname) or _DATASET.fullmatch(fullname):
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the one class the host looks for into the module."""
        found = guided_class(module.__name__)
        if found is not None:
            setattr(module, found.__name__, found)
