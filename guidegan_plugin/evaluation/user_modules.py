"""Networks that score: a user's own, named as ``module:attribute``; where, and in which mode, they run."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from functools import reduce
from pathlib import Path
from typing import TypeGuard

import torch
from torch import nn

from guidegan_plugin.errors import ConfigError


def load_named(spec: str, flag: str) -> object:
    """Import ``module:attribute``; a module of the current directory may be named, too.

    A class, or a function without a required argument, is a factory: what it returns is what is meant.

    Args:
        spec: ``package.module:attribute``; the attribute may be dotted.
        flag: the option it stands in, for the error.

    Raises:
        ConfigError: If it is no such name, does not import, or its factory fails.
    """
    module_name, _, attribute = spec.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *attribute.split("."))):
        raise ConfigError(f"{flag}: expected module:attribute, found {spec!r}; change {flag}")
    with _current_directory_importable():
        try:
            with prints_aside():
                found: object = reduce(getattr, attribute.split("."), importlib.import_module(module_name))
                return found() if _is_factory(found) else found
        except (Exception, SystemExit) as error:  # any, because it is the user's own code that runs
            raise ConfigError(
                f"{flag}: {spec} cannot be had ({_brief(error)}), looked for in {Path.cwd()} and among installed "
                f"packages; change {flag}"
            ) from error


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def _current_directory_importable() -> Iterator[None]:
    here = str(Path.cwd())
    importlib.invalidate_caches()  # a module written a moment ago counts, too
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _is_factory(found: object) -> TypeGuard[Callable[[], object]]:
    if isinstance(found, type):
        return True
    if isinstance(found, nn.Module) or not callable(found):
        return False
    try:
        parameters = inspect.signature(found).parameters.values()
    except ValueError:  # a builtin may hide its signature
        return False
    return not any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def prints_aside() -> AbstractContextManager[object]:
    """Where a user's code is called: what it prints goes to standard error, for results may be on standard output."""
    return redirect_stdout(sys.stderr)


@contextmanager
def failing_as(what: str, cure: str) -> Iterator[None]:
    """Where a user's code computes: its prints go aside, and its failure is told in one line.

    Args:
        what: fails, in words, such as ``"features mine fail on images (3, 3, 8, 8)"``.
        cure: what to change.

    Raises:
        ConfigError: If it fails.
    """
    try:
        with prints_aside():
            yield
    except (Exception, SystemExit) as error:  # any, because it is the user's own code that runs
        brief = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ConfigError(f"{what} ({brief}); {cure}") from error


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Run a module as at test time; afterwards each of its modules is in the mode it was in."""
    modes = [(each, each.training) for each in module.modules()]
    try:
        for each, _ in modes:
            each.training = False
        yield
    finally:
        for each, training in modes:
            each.training = training


def default_device() -> torch.device:
    """A GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
