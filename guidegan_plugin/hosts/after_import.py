"""Does something to a codebase's module right after a script imported that module; no file changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Finder(MetaPathFinder):
    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self._name, self._act = name, act

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self._name else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._act(module)

        setattr(spec.loader, "exec_module", exec_module)  # noqa: B010 - of this spec's own loader, not of its class
        return spec


@contextmanager
def after_import(name: str, act: Callable[[ModuleType], None]) -> Iterator[None]:
    """While it lasts, an import of a module is followed by an act; afterwards the module is as it was imported before.

    Args:
        name: Of the module, with its package.
        act: Given the module.
    """
    finder, former = _Finder(name, act), sys.modules.pop(name, None)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.pop(name, None)
        if former is not None:
            sys.modules[name] = former
