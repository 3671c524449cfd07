"""Pair: how a model names the parts that guidance needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from guidegan_plugin.attaching.places import JUDGES, STAGES, NamedPlace, read_places
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.rows import KeyOf

HOW_TO_WRITE = (
    "write each pair as generator:discriminator:source:keys[:views], such as netG:netD:real_A:A_paths, or in words, "
    "such as 'generator=gen_a:encode..gen_b:decode discriminator=netD+netD2 source=real_A keys=A_paths', several "
    "joined by commas (--guide_pairs)"
)
_WORDS = ("generator", "discriminator", "source", "keys", "views", "name")

Where = str | Callable[[Any], Any]


@dataclass(frozen=True)
class Pair:
    """One generator, the discriminator that judges its output, and the source domain it reads.

    Each part is found on the object that trains, or for the last three in the batch it was given: by a name or path
    such as ``"netG"``, ``"nets.G"``, ``"nets[0]"``, or by a function of the object.

    Attributes:
        generator: G. Where the training calls a method in place of ``G(x)``: ``"netG:translate"``. Where two stages
            translate, entry and exit: ``"gen_a:encode..gen_b:decode"``. A function may return what
            :func:`~guidegan_plugin.attaching.factory.attach` takes.
        discriminator: D; several that judge G's output: ``"netD+netD2"``.
        source: The source images G is called with, ``(N, C, H, W)``.
        keys: One key per source image; None where nothing is remembered.
        views: Crop and flip, where anybody knows; by default ``<domain>_guide_view`` beside ``<domain>_paths``.
        name: By default ``A`` for generator ``netG_A``; where it has no suffix, the source's: ``A`` for ``real_A``.
        key_of: As for :func:`~guidegan_plugin.attaching.factory.attach`.

    Raises:
        ConfigError: If there is no name and none to be made of generator and source, or a part cannot be read.
    """

    generator: Where
    discriminator: Where
    source: Where
    keys: Where | None = None
    views: Where | None = None
    name: str = ""
    key_of: KeyOf | None = None

    def __post_init__(self) -> None:
        for where, between in ((self.generator, STAGES), (self.discriminator, JUDGES)):
            if isinstance(where, str):
                read_places(where, between)
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
        suffix = read_places(self.generator, STAGES)[0].path.removeprefix("netG").strip("_")
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
    keys: str = ""
    views: str | None = None

    @property
    def stages(self) -> tuple[NamedPlace, ...]:
        """Where G is met: one place, or its entry and its exit."""
        return read_places(self.generator, STAGES)

    @property
    def judges(self) -> tuple[NamedPlace, ...]:
        """The discriminators that judge G's output."""
        return read_places(self.discriminator, JUDGES)

    @cached_property
    def view_field(self) -> str:
        """Field of the batch with crop and flip."""
        return self.views or self.keys.removesuffix("_paths") + "_guide_view"


def parse_pairs(text: str, keyless: bool = False) -> tuple[NamedPair, ...]:
    """Read ``--guide_pairs``.

    Args:
        text: ``netG:netD:real_A:A_paths,...``; or in words, in any order: ``generator=gen_a:encode..gen_b:decode
            discriminator=netD+netD2 source=real_A keys=A_paths``, and ``views=`` and ``name=`` where wanted.
        keyless: Whether the keys may be left out, because somebody watches which files the loader opens; the source
            may be empty then, ``source=`` in words, where a loaded batch is one tensor.

    Raises:
        ConfigError: If it cannot be read, or two pairs have one name.
    """
    least = 3 if keyless else 4
    pairs = tuple(_in_words(part, keyless) if "=" in part else _in_short(part, least) for part in text.split(","))
    check_distinct(pairs)
    return pairs


def _in_short(part: str, least: int) -> NamedPair:
    names = part.strip().split(":")
    if not least <= len(names) <= 5 or not all(names):
        raise _unreadable(part, f"expected {least} to 5 parts with colons between")
    given = dict(zip(_WORDS, names, strict=False))
    if "." in given["generator"] and least == 3:  # an attribute of a script's variable
        given["name"] = re.sub(r"\W+", "_", given["generator"])
    return _named(part, given)


def _in_words(part: str, keyless: bool) -> NamedPair:
    given: dict[str, str] = {}
    for item in part.split():
        word, found, value = item.partition("=")
        if not found or word not in _WORDS:
            raise _unreadable(part, f"{item!r} is none of {', '.join(f'{one}=' for one in _WORDS)}")
        empty = not value and not (keyless and word == "source")
        if word in given or empty:
            raise _unreadable(part, f"expected one value behind {word}=")
        given[word] = value
    missing = [word for word in _WORDS[: 3 if keyless else 4] if word not in given]
    if missing:
        raise _unreadable(part, f"{missing[0]}= is missing")
    return _named(part, given)


def _named(part: str, given: Mapping[str, str]) -> NamedPair:
    try:
        return NamedPair(**given)  # type: ignore[arg-type]  # words are the fields that are text
    except ConfigError as error:
        raise _unreadable(part, str(error)) from error


def _unreadable(part: str, reason: str) -> ConfigError:
    return ConfigError(f"pairs: {part.strip()!r} cannot be read; {reason}; {HOW_TO_WRITE}")


def check_distinct(pairs: Sequence[Pair]) -> None:
    """Refuse pairs of one name.

    Raises:
        ConfigError: If two pairs have one name.
    """
    names = [pair.name for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"pairs: {names.count(name)} pairs are named {name!r}; each generator needs its own pair")
