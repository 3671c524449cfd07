"""Where networks are met, in words: ``netG``, ``gen_a:encode..gen_b:decode``, ``netD+netD2``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.stages import Stage, stage

STAGES, JUDGES = "..", "+"
"""What stands between the entry and the exit of a generator, and between discriminators."""


class NamedPlace(NamedTuple):
    """A network's path, and the method at which the network is met; "" for the usual one."""

    path: str
    method: str = ""

    def at(self, there: object) -> Stage:
        """The place itself.

        Args:
            there: What is at its path: a network, or a method of one.

        Raises:
            ConfigError: If it is neither.
        """
        if isinstance(there, nn.Module) and self.method:
            return Stage(there, self.method)
        return stage(there, "generator")


_STEP = re.compile(
    r"""\[\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\[\]"']+?))\s*\]|(?P<name>[^.\[\]]+)|\."""
)


def follow_path(place: Any, path: str) -> Any:
    """What is at a path, as Python would read it; None where nothing is.

    Args:
        place: Where the path begins.
        path: ``"nets.G"`` for ``place.nets.G`` or ``place.nets["G"]``, ``"nets[0]"`` for a list's item or the item of
            a dictionary whose key is the number 0 or the text "0", ``"nets['a.b']"`` for a key with dots in it.
    """
    steps = list(_STEP.finditer(path))
    if "".join(step.group() for step in steps) != path:
        return None
    try:
        for step in steps:
            if step.group() != ".":
                place = _item(place, step)
    except (AttributeError, LookupError, TypeError, ValueError):  # not there, or not there yet
        return None
    return place


def _item(place: Any, step: re.Match[str]) -> Any:
    """What a place has at one step of a path."""
    quoted = step["double"] if step["double"] is not None else step["single"]
    if quoted is not None:
        return place[quoted]
    text = step["bare"] or step["name"]
    number = int(text) if text.lstrip("-").isdecimal() else None
    if isinstance(place, (Mapping, nn.ModuleDict)):
        key: Any = number if number is not None and text not in place and number in place else text
        return place[key]
    if step["bare"] and number is None:
        return place[text]
    return getattr(place, text) if number is None else place[number]


def read_places(text: str, between: str) -> tuple[NamedPlace, ...]:
    """Read where networks are met.

    Args:
        text: Paths such as ``nets.G`` or ``nets['G']``, each with a method behind a colon where that is not the
            usual one.
        between: :data:`STAGES` or :data:`JUDGES`.

    Raises:
        ConfigError: If it cannot be read.
    """
    # What is in brackets is a key of the user's.
    parts = re.split(rf"{re.escape(between)}(?![^\[]*\])", text)
    if between == STAGES and len(parts) > 2:
        raise ConfigError(f"{text!r} names {len(parts)} stages, expected one or two (entry..exit)")
    places = []
    for part in parts:
        path, *method = re.split(r":(?![^\[]*\])", part.strip())
        if not path or len(method) > 1 or not all(name.isidentifier() for name in method):
            raise ConfigError(f"{text!r} cannot be read, expected network or network:method, such as gen_a:encode")
        places.append(NamedPlace(path, *method))
    return tuple(places)
