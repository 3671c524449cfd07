"""Other tests of the same images, for one page on which they stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guidegan_plugin.errors import DataError
from guidegan_plugin.plugins.sample import ATTENTION, OUTPUT, Sample


def set_beside(samples: Sequence[Sample], others: Mapping[str, Sequence[Sample]], run: Path) -> list[Sample]:
    """Give each sample the map and the output that other runs have of the same image.

    Args:
        samples: Of the run that a page is made of.
        others: Samples of the other runs, by what people read.
        run: The run, for messages.

    Returns:
        The samples; what they knew of epochs gives way.

    Raises:
        DataError: If a run has no image in common with them.
    """
    known = {label: {(one.name, one.group): one for one in there} for label, there in others.items()}
    for label, there in known.items():
        if not any((sample.name, sample.group) in there for sample in samples):
            raise DataError(f"the run {label} has no image of {run}; change --beside")
    return [_beside(sample, known) for sample in samples]


def _beside(sample: Sample, known: Mapping[str, Mapping[tuple[str, str], Sample]]) -> Sample:
    found = {label: there.get((sample.name, sample.group)) for label, there in known.items()}
    return replace(
        sample,
        epochs={
            label: {role: other.pictures[role] for role in (ATTENTION, OUTPUT) if role in other.pictures}
            for label, other in found.items()
            if other is not None
        },
    )
