"""Finds what a running script calls by a name: a variable of the script, of a function under way, or of an object."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.attaching.places import JUDGES, STAGES, follow_path, read_places
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.stages import Stage
from guidegan_plugin.guidance.layers import unwrap

_NOT_THE_SCRIPTS = ("torch", "guidegan_plugin", "runpy", "importlib", "pluggy", "typer", "click")


def find(path: str) -> Any:
    """The network, or method of one, that a path names where the script is now; None if none.

    Variables of the innermost function come first.

    Args:
        path: ``G_AB``, ``solver.G`` or ``nets['G']``. Wrappers such as DataParallel on the way are passed.
    """
    first = path.partition(".")[0].partition("[")[0]
    for names in _namespaces():
        # A helper's module may have a function of that name.
        if first in names and _is_network(found := _follow(names, path)):
            return found
    return None


def _is_network(found: object) -> bool:
    return isinstance(found, nn.Module) or isinstance(getattr(found, "__self__", None), nn.Module)


def stages(where: Any, between: str) -> list[Stage]:
    """Where networks are met, by their names in the script; none while one of them is not there.

    Args:
        where: A pair's generator or discriminator, as :func:`~guidegan_plugin.attaching.places.read_places` reads it.
        between: What stands between several places.
    """
    try:
        return [place.at(find(place.path)) for place in read_places(where, between)]
    except ConfigError:  # not there yet
        return []


def lacking(pairs: Sequence[Pair]) -> ConfigError:
    """Which network of pairs the script lacks, and what it has that is like it."""
    known = networks()
    for pair in pairs:
        for role, where, between in (
            ("generator", pair.generator, STAGES),
            ("discriminator", pair.discriminator, JUDGES),
        ):
            for place in read_places(str(where), between):
                if not isinstance(find(place.path), nn.Module):
                    there = ", ".join(_nearest(place.path, known)) or "none"
                    return ConfigError(
                        f"pair {pair.name}: the script has no {role} {place.path!r} (networks nearest to it: "
                        f"{there}); change --guide_pairs"
                    )
    return ConfigError("no pair of networks was guided: the script called none of its generators")


def networks() -> dict[str, nn.Module]:
    """Networks the script can name where it is now, by their paths: variables, and attributes of variables."""
    found: dict[str, nn.Module] = {}
    for names in _namespaces():
        for name, value in list(names.items()):
            if _has_weights(value):
                found.setdefault(name, value)
            for attribute, inner in _attributes(value):
                if _has_weights(inner) and not attribute.startswith("_"):
                    found.setdefault(f"{name}.{attribute}", inner)
    # What a method calls self has a name of its own elsewhere.
    named = {id(network) for path, network in found.items() if not path.startswith("self.")}
    return {path: one for path, one in found.items() if not path.startswith("self.") or id(one) not in named}


def _has_weights(value: object) -> bool:
    return isinstance(value, nn.Module) and next(value.parameters(), None) is not None


def optimizers() -> list[Optimizer]:
    """Optimizers among the script's variables, and attributes of variables; each once."""
    found: dict[int, Optimizer] = {}
    for names in _namespaces():
        for value in list(names.values()):
            for one in (value, *(inner for _, inner in _attributes(value))):
                for optimizer in one if isinstance(one, (list, tuple)) else (one,):
                    if isinstance(optimizer, Optimizer):
                        found[id(optimizer)] = optimizer
    return list(found.values())


def _nearest(path: str, known: Mapping[str, nn.Module], count: int = 6) -> list[str]:
    """The paths that are most like one, all where there are few."""
    if len(known) <= count:
        return list(known)
    return difflib.get_close_matches(path, known, count, 0.0)


def _namespaces() -> Iterator[Mapping[str, Any]]:
    """Variables of the script's functions under way, the innermost first, then of its modules."""
    modules: list[Mapping[str, Any]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _NOT_THE_SCRIPTS:
            if frame.f_locals is not frame.f_globals:
                yield frame.f_locals
            if not any(frame.f_globals is known for known in modules):
                modules.append(frame.f_globals)
            if frame.f_locals is frame.f_globals and frame.f_globals.get("__name__") == "__main__":
                break  # what is beyond started the script
        frame = frame.f_back
    yield from modules


def _follow(names: Mapping[str, Any], path: str) -> Any:
    found = follow_path(names, path)
    if found is not None or "." not in path:
        return found
    before, _, last = path.rpartition(".")
    owner = _follow(names, before)
    inner = unwrap(owner) if isinstance(owner, nn.Module) else owner
    return None if owner is None else follow_path(inner, last)


def _attributes(value: object) -> list[tuple[str, Any]]:
    """What an object of the script's own holds: submodules of a network that trains as a whole among them."""
    own = type(value).__module__.partition(".")[0]
    if isinstance(value, nn.Module):
        inner = unwrap(value)
        if own in _NOT_THE_SCRIPTS and inner is value:
            return []
        return [*inner.named_children(), *vars(inner).items()]
    if own in (*_NOT_THE_SCRIPTS, "builtins", "numpy", "PIL", "argparse") or not hasattr(value, "__dict__"):
        return []
    return list(vars(value).items()) if not isinstance(value, type) else []
