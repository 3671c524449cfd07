"""What a stand-in is, and how one is put in place for a run and taken away afterwards."""

from __future__ import annotations

import importlib
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import ClassVar

from guidegan_plugin.utils.packages import is_installed
from guidegan_plugin.utils.replaced import replaced


@dataclass(frozen=True)
class StandIn(ABC):
    """Something that a host calls and that is not there, and what takes its place for a run.

    Attributes:
        name: What a host calls, in short.
        why: Why that fails, as the end of a sentence: ``is gone since Python 3.9``.
        instead: What takes its place, and what that computes.
        hosts: Codebases that were seen to call it; empty for a sibling of such a call.
        calls: Every spelling it stands for, as in :mod:`guidegan_plugin.hosts.legacy.old_calls`.
        errors: How such a call fails.
        always: Whether such a call always fails; if not, nobody can foretell it by reading the host's files.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    always: ClassVar[bool] = True

    name: str
    why: str
    instead: str
    hosts: tuple[str, ...]
    calls: tuple[str, ...]

    @abstractmethod
    def lacking(self) -> Sequence[str]:
        """Those of ``calls`` that fail here without it."""

    def explains(self, error: BaseException) -> bool:
        """Whether a line with such a call may well have failed for lack of a stand-in."""
        return isinstance(error, self.errors)

    @abstractmethod
    def put(self, run: ExitStack) -> None:
        """Put in place what is lacking, and leave the rest alone; closing the stack takes it away."""


@dataclass(frozen=True)
class Dropped(StandIn):
    """Names that a module no longer has.

    Attributes:
        module: Where hosts look for the names.
        values: Makes a value for each name.
    """

    errors = (ImportError, AttributeError)

    module: str
    values: Callable[[], Mapping[str, object]]

    def lacking(self) -> Sequence[str]:
        if not is_installed(_package(self.module)):
            return ()  # what a host lacks then is the package
        module = _imported(self.module)
        has = {} if module is None else vars(module)
        return [call for call in self.calls if call.rpartition(".")[2] not in has]

    def put(self, run: ExitStack) -> None:
        lacking = {call.rpartition(".")[2] for call in self.lacking()}
        if not lacking:
            return
        values = {name: value for name, value in self.values().items() if name in lacking}
        module = _imported(self.module)
        if module is None:
            provide(run, self.module, lambda: values)
        else:
            for name, value in values.items():
                replace(run, module, name, value)


@dataclass(frozen=True)
class MissingPackage(StandIn):
    """A package that is not installed, and of which a host needs little.

    Attributes:
        values: Makes that little, when a host imports the package.
    """

    errors = (ImportError,)

    values: Callable[[], Mapping[str, object]]

    def lacking(self) -> Sequence[str]:
        return () if is_installed(self.name) else self.calls

    def put(self, run: ExitStack) -> None:
        if self.lacking():
            provide(run, self.name, self.values)


def replace(run: ExitStack, owner: object, name: str, value: object) -> None:
    """Give a module or a class an attribute until the stack is closed.

    Args:
        run: Remembers what the attribute was.
        owner: Of the attribute.
        name: Its name.
        value: What it is meanwhile.
    """
    run.enter_context(replaced(owner, name, lambda _: value))


def provide(run: ExitStack, name: str, values: Callable[[], Mapping[str, object]]) -> None:
    """Let a module be imported that nothing else provides, until the stack is closed.

    Args:
        run: Forgets the module.
        name: Of the module, with its package.
        values: Makes what the module holds, when it is imported.
    """
    maker = _Maker(name, values)
    sys.meta_path.append(maker)  # last: whatever is installed is found first
    run.callback(_forget, name)
    run.callback(sys.meta_path.remove, maker)


class _Maker(MetaPathFinder, Loader):
    """Finds one module, and makes it."""

    def __init__(self, name: str, values: Callable[[], Mapping[str, object]]) -> None:
        self._name, self._values = name, values

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._values())


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if package in sys.modules:  # an import makes a module an attribute of its package, too
        vars(sys.modules[package]).pop(last, None)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _imported(name: str) -> ModuleType | None:
    """A module, None if there is none; its warning that it is old is not news to whoever asks for a stand-in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            return None
