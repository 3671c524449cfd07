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


def follow_path(place: Any, path: str) -> Any:
    """What is at a path: ``place.nets["G"]`` for ``"nets.G"``, ``place.nets[0]`` for ``"nets[0]"``; else None."""
    try:
        for part in re.findall(r"""[^.\[\]"']+""", path):
            if isinstance(place, (Mapping, nn.ModuleDict)):
                place = place[part]
            else:
                place = place[int(part)] if part.lstrip("-").isdecimal() else getattr(place, part)
    except (AttributeError, LookupError, TypeError):  # not there, or not there yet
        return None
    return place


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
