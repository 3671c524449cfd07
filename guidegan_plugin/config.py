"""All options of the guidance in one frozen, validated object, and as ``--guide_*`` on a host's command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.options import PREFIX, Value, add_arguments, check_options, option, options_of, refusal

# What ``fast`` is made of; each works alone.
FAST_PIECES = ("activations", "bf16", "tf32", "benchmark", "compile", "graphs", "fused", "loading")


@dataclass(frozen=True)
class GuideConfig:
    """How one training is guided.

    Types and ranges are checked here; names of plugins (attention, signal, concat, transfer) are checked where they
    are resolved, since a plugin may bring its own.

    Attributes:
        options: Options of mechanisms by their names, such as ``{"tam_start": "residual"}``: each mechanism says which
            it has (its ``Options``). Names and values are checked where the mechanism is resolved.

    Raises:
        ConfigError: If a value is outside what its field allows, or two fields cannot work together.
    """

    attention: str = option("pha", "attention mechanism: none, pha, tam, shuffled (a control), or a plugin's")
    signal: str = option("activation", "what pha reads: activation, gradient, or gradcam")
    layer: int | str = option(4, "D's layer: convolution number or dotted path; several: 4,9", types=(int, str))
    tap: str = option("conv", "read the convolution or the activation behind", "conv", "activation")
    border: int | str = option("auto", "outer rings of a map to replace; auto: 0 for conv, else 1", types=(int, str))
    concat: str = option("rhp", "what the map does: rhp, alpha (G's input), gradient (what G learns), or a plugin's")
    strength: float = option(1.0, "how strongly maps act in rhp and gradient; 1 as the paper, below 0 the other way")
    transfer: str = option("bilinear", "transfer block T: bilinear, conv, or a plugin's")
    init: str = option("ones", "map of an image's first visit", "ones", "random")
    cycle: str = option("ones", "map of reconstruction and identity passes", "ones", "source", "off")
    align: str = option("canonical", "move maps with an image's crop and flip", "canonical", "off")
    dropout: float = option(0.0, "probability that a visit is given ones instead of its map")
    test_map: str = option(
        "ones", "map at test time: of ones, the memory's mean, or predicted from the image", "ones", "mean", "predict"
    )
    anneal: str = option("off", "START:END: fractions of the training between which maps fade into ones; or off")
    judged: str = option("moves", "D is given the fake moved about only, or computed upon, too", "moves", "affine")
    judges: str = option("last", "maps of an image that is judged several times in a visit", "last", "mean")
    strict: bool = option(False, "a pair that is not guided is an error, not a warning")
    store: str = option("memory", "where the maps are kept: in main memory, or in a file", "memory", "mmap")
    store_device: str = option("auto", "device of the maps; auto: the networks' device", "auto", "cpu")
    store_dtype: str = option("uint8", "type of the stored maps", "uint8", "float16", "float32")
    seed: int = option(0, "seed of init=random, dropout and attention=shuffled")
    fast: str = option("off", f"speed up the host's training: off, on, or some of {','.join(FAST_PIECES)}")
    options: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_options(self)
        if isinstance(self.layer, int) and self.layer < 1:
            raise refusal("layer", "a convolution's number, counted from 1, or a dotted module path", self.layer)
        if self.border != "auto" and (isinstance(self.border, str) or self.border < 0):
            raise refusal("border", "auto or a number of rings from 0", self.border)
        if not -1 < self.strength <= 1000:
            raise refusal("strength", "a number above -1, such as 1", self.strength)
        if not -(2**63) <= self.seed < 2**64:  # which torch's generators take
            raise refusal("seed", "a whole number of at most 64 bits", self.seed)
        if not 0 <= self.dropout <= 1:
            raise refusal("dropout", "a probability from 0 to 1", self.dropout)
        if self.anneal != "off" and self.anneal_span is None:
            raise refusal("anneal", "off or START:END, fractions with 0 <= START < END <= 1", self.anneal)
        if unknown := set(self.fast_pieces) - {*FAST_PIECES, *({"on"} if self.fast == "on" else ())}:
            known = ", ".join(FAST_PIECES)
            raise refusal("fast", f"off, on, or pieces joined by commas ({known})", ", ".join(sorted(unknown)))
        if self.attention == "none" and self.cycle == "source":
            raise ConfigError(
                "cycle=source reuses the source's attention map and attention=none makes none; "
                "change cycle (--guide_cycle) or attention (--guide_attention)"
            )
        if self.attention == "none" and self.test_map != "ones":
            raise ConfigError(
                f"test_map={self.test_map} is made of attention maps and attention=none makes none; change test_map "
                "(--guide_test_map) or attention (--guide_attention)"
            )

    @property
    def border_rings(self) -> int:
        """Outer rings of a map to replace: ``border``, with ``auto`` resolved (only activations see zero padding)."""
        if isinstance(self.border, int):
            return self.border
        return 0 if self.tap == "conv" else 1

    @property
    def anneal_span(self) -> tuple[float, float] | None:
        """Between which shares of the training maps fade into the placeholder; None where ``anneal`` is off."""
        start, _, end = self.anneal.partition(":")
        try:
            span = float(start), float(end)
        except ValueError:
            return None
        return span if 0 <= span[0] < span[1] <= 1 else None

    @property
    def fast_pieces(self) -> tuple[str, ...]:
        """The pieces that ``fast`` names; ``("on",)`` for those recommended for the device of the networks."""
        return () if self.fast == "off" else tuple(piece.strip() for piece in self.fast.split(","))

    def as_dict(self) -> dict[str, Value]:
        """Every field by its name, and the options of mechanisms by theirs."""
        return {each.name: getattr(self, each.name) for each in options_of(GuideConfig)} | dict(self.options)

    def with_options(self, options: Mapping[str, Value]) -> GuideConfig:
        """The same with other options of mechanisms."""
        return replace(self, options=options)

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add one ``--guide_<field>`` option per field to a host's parser."""
        add_arguments(parser.add_argument_group("attention guidance (guidegan_plugin)"), GuideConfig)

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> GuideConfig:
        """Build the config from parsed options.

        Args:
            options: Parsed options by name, such as ``vars(namespace)``; those without ``guide_`` are not ours.

        Raises:
            ConfigError: As the class.
        """
        values: dict[str, Any] = {
            each.name: options[PREFIX + each.name] for each in options_of(cls) if PREFIX + each.name in options
        }
        return cls(**values)
