"""Figures of all runs, put side by side: last and best epoch, and differences to the bare host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from intervals import paired_difference
from measures import Measure, criterion, measures_of
from settings import Study

MOMENTS = ("last", "best")
Results = Mapping[tuple[str, int], Mapping[str, Any]]  # by method and seed, what a run's result file says


def best_epoch(result: Mapping[str, Any], direction: str, measure: Measure) -> str:
    """The epoch whose figure is best; of equal ones the earlier."""
    sign = 1 if measure.better == "lower" else -1
    epochs = result["epochs"]
    return min(map(str, epochs), key=lambda epoch: (sign * epochs[epoch][direction][measure.key], int(epoch)))


def collate(study: Study, results: Results) -> dict[str, Any]:
    """All figures by direction, measure, method and moment; with the differences to the bare host.

    Args:
        study: The study.
        results: Of the runs that are complete.

    Returns:
        `figures[direction][measure][method][moment]` with `seeds` (figure by seed), `mean`, and for a guided method
        that shares seeds with the bare host `difference`; and `best_epochs[direction][method][seed]`.
    """
    table: dict[str, Any] = {"figures": {}, "best_epochs": {}}
    for direction in study.directions:
        there = {run: result for run, result in results.items() if direction in next(iter(result["epochs"].values()))}
        chosen = {run: best_epoch(result, direction, criterion(study)) for run, result in there.items()}
        last = {run: max(result["epochs"], key=int) for run, result in there.items()}
        moments = {"last": last, "best": chosen}
        table["best_epochs"][direction] = _by_method(chosen)
        table["figures"][direction] = {
            measure.key: rows
            for measure in measures_of(study)
            if (rows := _rows(study, there, direction, measure, moments))
        }
    return table


def outside_zero(study: Study, table: Mapping[str, Any]) -> list[str]:
    """Sentences on the last epoch's differences whose interval does not reach zero."""
    found = []
    for direction, rows in table["figures"].items():
        for measure in measures_of(study):
            for method, moments in rows.get(measure.key, {}).items():
                difference = moments["last"].get("difference")
                if not measure.better or not difference or difference["low"] is None:
                    continue
                if difference["low"] > 0 or difference["high"] < 0:
                    gain = (difference["mean"] > 0) == (measure.better == "higher")
                    found.append(f"{direction}, {method}: {measure.key} {'better' if gain else 'worse'} than bare")
    return found


def _rows(
    study: Study, results: Results, direction: str, measure: Measure, moments: Mapping[str, Mapping[Any, str]]
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for method in study.methods:
        for moment in MOMENTS:
            values = {}
            for seed in study.seeds:
                run = (method.name, seed)
                if run in results:
                    figures = results[run]["epochs"][moments[moment][run]][direction]
                    if measure.key in figures:
                        values[seed] = figures[measure.key]
            if values:
                row = {"seeds": values, "mean": float(np.mean(list(values.values())))}
                rows.setdefault(method.name, {})[moment] = row
                bare = rows.get(method.bare, {}).get(moment, {}).get("seeds", {})
                shared = [seed for seed in values if seed in bare]
                if method.guided and shared:
                    row["difference"] = _difference(study, values, bare, shared)
    return rows


def _difference(
    study: Study, values: Mapping[int, float], bare: Mapping[int, float], shared: Sequence[int]
) -> dict[str, object]:
    pairs = [values[seed] for seed in shared], [bare[seed] for seed in shared]
    return asdict(paired_difference(*pairs, resamples=study.resamples))


def _by_method(chosen: Mapping[tuple[str, int], str]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for (method, seed), epoch in chosen.items():
        found.setdefault(method, {})[seed] = int(epoch)
    return found
