"""A host's presets, as people compare them with the host's own defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PresetRow:
    """What the presets set one option to.

    Attributes:
        option: With its dashes.
        default: What it is without a preset.
        values: What presets make of it, with the presets' names where they differ.
        source: Where that stands.
    """

    option: str
    default: str
    values: Sequence[str]
    source: str


@dataclass(frozen=True)
class PresetTable:
    """The presets of one model.

    Attributes:
        title: What they are for.
        model: The host's own model, whose defaults stand beside them.
        rows: An option each.
        whose: Whose settings they are.
    """

    title: str
    model: str
    rows: Sequence[PresetRow]
    whose: str = "paper"
