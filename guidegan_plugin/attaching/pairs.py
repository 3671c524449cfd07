"""Pair: how a model names the parts that guidance needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from guidegan_plugin.errors import ConfigError

HOW_TO_WRITE = (
    "write each pair as generator:discriminator:source:keys[:views], such as netG:netD:real_A:A_paths, "
    "several joined by commas (--guide_pairs)"
)

Where = str | Callable[[Any], Any]


@dataclass(frozen=True)
class Pair:
    """One generator, the discriminator that judges its output, and the source domain it reads.

    Each part is found on the object that trains, or for the last three in the batch it was given: by a name or path
    such as ``"netG"``, ``"nets.G"``, ``"nets[0]"``, or by a function of the object.

    Attributes:
        generator: G.
        discriminator: D.
        source: The source images G is called with, ``(N, C, H, W)``.
        keys: One key per source image; None where nothing is remembered.
        views: Crop and flip, where anybody knows; by default ``<domain>_guide_view`` beside ``<domain>_paths``.
        name: By default ``A`` for generator ``netG_A``; where it has no suffix, the source's: ``A`` for ``real_A``.

    Raises:
        ConfigError: If there is no name and none to be made of generator and source.
    """

    generator: Where
    discriminator: Where
    source: Where
    keys: Where | None = None
    views: Where | None = None
    name: str = ""

    def __post_init__(self) -> None:
        name = self.name or self._default_name()
        if not re.fullmatch(r"\w+", name):
            raise ConfigError(
                f"pair of generator {self.generator!r}: expected a name of letters and digits, found {name!r}; "
                "change name="
            )
        object.__setattr__(self, "name", name)

    def _default_name(self) -> str:
        if not isinstance(self.generator, str):
            return ""
        suffix = self.generator.removeprefix("netG").strip("_")
        return suffix or (self.source.rpartition("_")[2] if isinstance(self.source, str) else "")

    @property
    def view_field(self) -> Where | None:
        """Where crop and flip are found; None where nobody can know."""
        named = self.keys if isinstance(self.keys, str) else None
        return self.views or (None if named is None else named.removesuffix("_paths") + "_guide_view")


@dataclass(frozen=True)
class NamedPair(Pair):
    """A pair whose parts are attributes of a model and fields of its batch, as a command line can name them."""

    generator: str
    discriminator: str
    source: str
    keys: str = field()
    views: str | None = None

    @property
    def view_field(self) -> str:
        """Field of the batch with crop and flip."""
        return self.views or self.keys.removesuffix("_paths") + "_guide_view"


def parse_pairs(text: str) -> tuple[NamedPair, ...]:
    """Read ``--guide_pairs``.

    Args:
        text: ``netG:netD:real_A:A_paths,...``

    Raises:
        ConfigError: If it cannot be read, or two pairs have one name.
    """
    pairs = []
    for part in text.split(","):
        names = part.strip().split(":")
        if len(names) not in (4, 5) or not all(names):
            raise ConfigError(f"pairs: {part.strip()!r} cannot be read; {HOW_TO_WRITE}")
        pairs.append(NamedPair(*names))
    check_distinct(pairs)
    return tuple(pairs)


def check_distinct(pairs: Sequence[Pair]) -> None:
    """Refuse pairs of one name.

    Raises:
        ConfigError: If two pairs have one name.
    """
    names = [pair.name for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"pairs: {names.count(name)} pairs are named {name!r}; each generator needs its own pair")
