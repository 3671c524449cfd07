"""All options of the guidance in one frozen, validated object, and as ``--guide_*`` on a host's command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from guidegan_plugin.errors import ConfigError

PREFIX = "guide_"


def _about(text: str, *choices: str) -> dict[str, Any]:
    """Metadata of a field that is also a command-line option: its help and, where closed, its set of values."""
    return {"help": text, "choices": choices}


@dataclass(frozen=True)
class GuideConfig:
    """How one training is guided.

    Types and ranges are checked here; names of plugins (attention, signal, concat, transfer) are checked where they
    are resolved, since a plugin may bring its own.

    Raises:
        ConfigError: If a value is outside what its field allows, or two fields cannot work together.
    """

    attention: str = field(default="pha", metadata=_about("none, pha, tam, shuffled (a control), or a plugin's"))
    signal: str = field(default="activation", metadata=_about("what pha reads: activation, gradient, or gradcam"))
    layer: int | str = field(default=4, metadata=_about("D's layer: convolution number or dotted path; several: 4,9"))
    tap: str = field(default="conv", metadata=_about("read that convolution or what follows it", "conv", "activation"))
    border: int | str = field(default="auto", metadata=_about("rings of a map to replace; auto: 0 for conv, else 1"))
    concat: str = field(default="rhp", metadata=_about("how the map enters G's input: rhp, alpha, or a plugin's"))
    transfer: str = field(default="bilinear", metadata=_about("transfer block T: bilinear, conv, or a plugin's"))
    init: str = field(default="ones", metadata=_about("map of an image's first visit", "ones", "random"))
    cycle: str = field(
        default="ones", metadata=_about("map of reconstruction and identity passes", "ones", "source", "off")
    )
    align: str = field(default="canonical", metadata=_about("follow an image's crop and flip", "canonical", "off"))
    dropout: float = field(default=0.0, metadata=_about("with this probability a visit is given ones, not its map"))
    anneal: str = field(default="off", metadata=_about("fade maps into ones between START:END of the training; or off"))
    tam_start: str = field(
        default="paper", metadata=_about("tam's mask at first: about 0.5, or near 0", "paper", "residual")
    )
    tam_features: str = field(default="auto", metadata=_about("D's module whose output tam's mask branch reads"))
    tam_trunk: str = field(default="auto", metadata=_about("D's module whose output tam's mask weighs"))
    store_device: str = field(default="auto", metadata=_about("where maps are kept; auto: beside D", "auto", "cpu"))
    store_dtype: str = field(default="uint8", metadata=_about("maps are kept as", "uint8", "float16", "float32"))
    seed: int = field(default=0, metadata=_about("seed of init=random, dropout and attention=shuffled"))

    def __post_init__(self) -> None:
        for option in fields(self):
            _check_type(option.name, getattr(self, option.name), option.default)
            choices = option.metadata["choices"]
            if choices and getattr(self, option.name) not in choices:
                raise _refusal(option.name, "one of " + ", ".join(choices), getattr(self, option.name))
        if isinstance(self.layer, int) and self.layer < 1:
            raise _refusal("layer", "a convolution's number, counted from 1, or a dotted module path", self.layer)
        if self.border != "auto" and (isinstance(self.border, str) or self.border < 0):
            raise _refusal("border", "auto or a number of rings from 0", self.border)
        if not 0 <= self.dropout <= 1:
            raise _refusal("dropout", "a probability from 0 to 1", self.dropout)
        if self.anneal != "off" and self.anneal_span is None:
            raise _refusal("anneal", "off or START:END, fractions with 0 <= START < END <= 1", self.anneal)
        if self.attention == "tam" and self.signal != "activation":
            raise ConfigError(
                f"signal={self.signal} is for attention=pha: attention=tam reads its own mask branch; change signal "
                "(--guide_signal) or attention (--guide_attention)"
            )
        if self.attention == "none" and self.cycle == "source":
            raise ConfigError(
                "cycle=source reuses the source's attention map and attention=none makes none; "
                "change cycle (--guide_cycle) or attention (--guide_attention)"
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

    def as_dict(self) -> dict[str, str | int | float]:
        """Every field by its name."""
        return asdict(self)

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add one ``--guide_<field>`` option per field to a host's parser."""
        group = parser.add_argument_group("attention guidance (guidegan_plugin)")
        for option in fields(GuideConfig):
            group.add_argument(
                f"--{PREFIX}{option.name}",
                type=_number_or_word if option.name in ("layer", "border") else type(option.default),
                default=option.default,
                choices=option.metadata["choices"] or None,
                help=option.metadata["help"],
            )

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> GuideConfig:
        """Build the config from parsed options.

        Args:
            options: Parsed options by name, such as ``vars(namespace)``; those without ``guide_`` are not ours.

        Raises:
            ConfigError: As the class.
        """
        values: dict[str, Any] = {
            option.name: options[PREFIX + option.name] for option in fields(cls) if PREFIX + option.name in options
        }
        return cls(**values)


def _number_or_word(text: str) -> int | str:
    """``"4"`` is a number; ``"model.8"`` and ``"auto"`` are words."""
    try:
        return int(text)
    except ValueError:
        return text


def _check_type(name: str, value: object, default: object) -> None:
    allowed: tuple[type, ...] = (type(default),)
    if name in ("layer", "border"):
        allowed = (int, str)
    elif isinstance(default, float):  # 0 and 1 are probabilities, too
        allowed = (float, int)
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise _refusal(name, " or ".join(kind.__name__ for kind in allowed), value)


def _refusal(name: str, expected: str, found: object) -> ConfigError:
    return ConfigError(f"{name}: expected {expected}, found {found!r}; change {name} (--{PREFIX}{name})")
