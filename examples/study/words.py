"""What a study found, in one paragraph of plain words and in one table; bad news first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from measures import Measure, criterion, measures_of
from settings import Study

Cell = Mapping[str, Any]
# What the one table shows, of the scores that a study takes.
SHOWN = ("kid_target", "kid_mean", "target_share", "background_change", "per_pixel_accuracy", "class_iou")

# An object_change below this is nothing that anybody sees: 8-bit images round to 0.004.
IDLE = 0.01


def summary(study: Study, table: Mapping[str, Any]) -> str:
    """Where guidance made the outputs worse under every seed, where seeds disagree, and where it made them better.

    Args:
        study: The study.
        table: As :func:`tables.collate` makes it.
    """
    measure = criterion(study)
    found: dict[str, list[str]] = {"Worse under every seed": [], "Seeds disagree": [], "Better under every seed": []}
    worse, disagree, better = found
    seeds: list[int] = []
    idle = _idle(study, table)
    for method, direction, difference in _differences(study, table, measure, idle):
        gains = [value * (-1 if measure.better == "lower" else 1) for value in difference["values"]]
        verdict = worse if max(gains) < 0 else better if min(gains) > 0 else disagree
        found[verdict].append(f"{method}, {direction} ({difference['mean']:+.{measure.digits}f})")
        seeds.append(len(gains))
    if not seeds:
        return "Nothing can be compared yet."
    counts = {verdict: len(cases) for verdict, cases in found.items()}
    said = [
        f"By {measure.title} ({measure.better} is better), at the last epoch, guidance was worse than no guidance "
        f"under every seed in {counts[worse]} of {sum(counts.values())} comparisons, and better in {counts[better]}; "
        f"in {counts[disagree]} the seeds disagree.",
        f"With {min(seeds)} seed{'s' * (min(seeds) > 1)}, guidance that did nothing would look worse or better under "
        f"every seed in {2 / 2 ** min(seeds):.0%} of comparisons.",
    ]
    if idle:
        cases = "; ".join(f"{method}, {direction}" for method, direction in idle)
        said.insert(0, f"Outputs are the inputs, hardly changed, in: {cases}. These are compared with nothing.")
    return " ".join(said + [f"{verdict}: {'; '.join(cases) or 'none'}." for verdict, cases in found.items()])


def _idle(study: Study, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Methods that leave even the object as it is, with the direction."""
    found = []
    for method in study.methods:
        for direction in method.system.directions:
            row = table["figures"][direction].get("object_change", {}).get(method.name)
            if row and row["last"]["mean"] < IDLE:
                found.append((method.name, direction))
    return found


def overview(study: Study, table: Mapping[str, Any]) -> Iterator[str]:
    """One table of all methods: means over seeds at the last epoch; nothing where a study has one system."""
    if len({method.system.name for method in study.methods}) < 2:
        return
    columns = [
        (direction, measure)
        for direction in study.directions
        for measure in measures_of(study)
        if measure.key in SHOWN and measure.key in table["figures"][direction]
    ]
    yield f"| method | {' | '.join(f'{direction}: {measure.key}' for direction, measure in columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for method in study.methods:
        cells = []
        for direction, measure in columns:
            row = table["figures"][direction][measure.key].get(method.name)
            cells.append(f"{row['last']['mean']:.{measure.digits}f}" if row else "")
        yield f"| {method.name} | {' | '.join(cells)} |"
    yield ""


def _differences(
    study: Study, table: Mapping[str, Any], measure: Measure, idle: Collection[tuple[str, str]]
) -> Iterator[tuple[str, str, Cell]]:
    """Each guided method with a direction and its difference to the bare system, last epoch; idle ones are left out."""
    for method in study.methods:
        for direction in method.system.directions:
            row = table["figures"][direction].get(measure.key, {}).get(method.name)
            compared = not {(method.name, direction), (method.bare, direction)} & {*idle}
            if compared and row and row["last"].get("difference"):
                yield method.name, direction, row["last"]["difference"]
