"""Scores over the tested epochs: a panel for each guided method, the bare host's curve behind each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measures import Measure
from settings import Study
from tables import Results

from guidegan_plugin.evaluation.optional_packages import optional
from guidegan_plugin.utils.files import write_whole

_COLUMNS = 4


def curves(study: Study, results: Results, direction: str, measure: Measure) -> dict[str, dict[int, list[float]]]:
    """A measure over the tested epochs.

    Args:
        study: The study.
        results: Of the runs that are complete.
        direction: `A->B` or `B->A`.
        measure: Which.

    Returns:
        By method and seed, a value an epoch, in the order of `study.epochs`; methods that do not have it are left out.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for (method, seed), result in results.items():
        rows = [result["epochs"][str(epoch)].get(direction, {}) for epoch in study.epochs]
        if all(measure.key in row for row in rows):
            found.setdefault(method, {})[seed] = [row[measure.key] for row in rows]
    return found


def draw_curves(study: Study, results: Results, direction: str, measure: Measure, path: Path) -> bool:
    """Write a figure of :func:`curves`: thin lines are seeds, the thick one is their mean.

    Args:
        study: The study.
        results: Of the runs that are complete.
        direction: `A->B` or `B->A`.
        measure: Which.
        path: Of the picture, PNG.

    Returns:
        False, and nothing is written, where only one epoch was tested or no guided run is complete.
    """
    found = curves(study, results, direction, measure)
    shown = [method for method in study.methods if method.guided and method.name in found]
    if len(study.epochs) < 2 or not shown:
        return False
    rows = -(-len(shown) // _COLUMNS)
    figure = optional("matplotlib.figure").Figure(figsize=(3 * _COLUMNS, 2.4 * rows), layout="constrained")
    grid = np.ravel(figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False))
    for method, axes in zip(shown, grid, strict=False):
        axes.set_title(method.name, fontsize=9)
        axes.set_xticks(study.epochs)
        for name, colour in ((method.bare, "0.6"), (method.name, "tab:blue")):
            _lines(axes, study, found.get(name, {}), colour)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    figure.supxlabel("epoch")
    figure.supylabel(f"{measure.key} ({measure.better} is better)")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    write_whole(path, content.getvalue())
    return True


def _lines(axes: Any, study: Study, seeds: Mapping[int, list[float]], colour: str) -> None:
    for values in seeds.values():
        axes.plot(study.epochs, values, color=colour, linewidth=0.7, alpha=0.6)
    if seeds:
        axes.plot(study.epochs, np.mean(list(seeds.values()), axis=0), color=colour, linewidth=2.2)
