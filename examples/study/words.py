"""What a study found, in one paragraph of plain words and in one table; bad news first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from measures import Measure, criterion, measures_of
from settings import Study

Cell = Mapping[str, Any]
# What the one table shows, of the scores that a study takes.
SHOWN = ("kid_target", "kid_mean", "target_share", "background_change", "per_pixel_accuracy", "class_iou")


def summary(study: Study, table: Mapping[str, Any]) -> str:
    """Where guidance made the outputs worse, where it made no clear difference, and where it made them better.

    Args:
        study: The study.
        table: As :func:`tables.collate` makes it.
    """
    measure = criterion(study)
    found: dict[str, list[str]] = {"worse": [], "unclear": [], "better": []}
    for method, direction, difference in _differences(study, table, measure):
        gain = difference["mean"] * (-1 if measure.better == "lower" else 1)
        low, high = difference["low"], difference["high"]
        clear = low is not None and (low > 0 or high < 0)
        verdict = "unclear" if not clear else "better" if gain > 0 else "worse"
        found[verdict].append(f"{method}, {direction} ({difference['mean']:+.{measure.digits}f})")
    if not any(found.values()):
        return "Nothing can be compared yet."
    counted = ", ".join(f"{verdict} in {len(cases)}" for verdict, cases in found.items()).replace("unclear", "no clear")
    counted = counted.replace("no clear in", "without a clear difference in")
    total = sum(map(len, found.values()))
    said = [
        f"Guidance was {counted} of {total} comparisons by {measure.key} ({measure.better} is better), last epoch, "
        f"mean of {len(study.seeds)} seeds; a difference is clear if its interval over seeds does not reach zero."
    ]
    for verdict, words in (
        ("worse", "Worse with guidance"),
        ("unclear", "No clear difference"),
        ("better", "Better with guidance"),
    ):
        said += [f"{words}: {'; '.join(found[verdict]) or 'none'}."]
    return " ".join(said)


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


def _differences(study: Study, table: Mapping[str, Any], measure: Measure) -> Iterator[tuple[str, str, Cell]]:
    """Each guided method with a direction and its difference to the bare system, at the last epoch."""
    for method in study.methods:
        for direction in method.system.directions:
            row = table["figures"][direction].get(measure.key, {}).get(method.name)
            if row and row["last"].get("difference"):
                yield method.name, direction, row["last"]["difference"]
