"""Pair: how a model names the parts that guidance needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guidegan_plugin.errors import ConfigError

HOW_TO_WRITE = (
    "write each pair as generator:discriminator:source:keys[:views], such as netG:netD:real_A:A_paths, "
    "several joined by commas (--guide_pairs)"
)


@dataclass(frozen=True)
class Pair:
    """One generator, the discriminator that judges its output, and the source domain it reads.

    Attributes:
        generator: Attribute of the model that holds G.
        discriminator: Attribute that holds D.
        source: Attribute that holds the source images G is called with.
        keys: Field of the batch with one key per source image.
        views: Field of the batch with crop and flip; by default ``<domain>_guide_view`` beside ``<domain>_paths``.
    """

    generator: str
    discriminator: str
    source: str
    keys: str
    views: str | None = None

    @property
    def name(self) -> str:
        """``A`` for ``netG_A``; where the generator has no suffix, the source's: ``A`` for ``real_A``."""
        suffix = self.generator.removeprefix("netG").strip("_")
        return suffix or self.source.rpartition("_")[2]

    @property
    def view_field(self) -> str:
        """Field of the batch with crop and flip."""
        return self.views or self.keys.removesuffix("_paths") + "_guide_view"


def parse_pairs(text: str) -> tuple[Pair, ...]:
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
        pairs.append(Pair(*names))
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
