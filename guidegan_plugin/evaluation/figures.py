"""Figures of scores, drawn with matplotlib (without pyplot, which would keep them, and choose a screen)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guidegan_plugin.evaluation.confusion import Matrix
from guidegan_plugin.evaluation.optional_packages import optional
from guidegan_plugin.utils.files import write_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_confusion(matrix: Matrix, names: Sequence[str], out: Path) -> None:
    """Draw a confusion matrix, each row as shares of its class's true pixels.

    Args:
        matrix: Pixels by truth (rows) and answer (columns), ``(C, C + 1)``; the last column, "none of them", is left
            out where it is empty.
        names: C classes.
        out: A PNG file.

    Raises:
        ConfigError: If the file cannot be written, or matplotlib is not installed.
    """
    answers = [*names, "void"] if matrix[:, -1].any() else list(names)
    true = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, true, out=np.full(matrix.shape, np.nan), where=true > 0)[:, : len(answers)]
    figure = _figure(0.42 * len(answers) + 3, 0.42 * len(names) + 2)
    axes = figure.add_subplot()
    shown = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
    axes.set_xticks(range(len(answers)), answers, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="truth")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "black" if share > 0.6 else "white"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(shown, label="share of the class's true pixels (numbers: %)")
    _save(figure, out)


def draw_bars(names: Sequence[str], panels: Mapping[str, Mapping[str, Sequence[float | None]]], out: Path) -> None:
    """Draw bars a class, one panel below another.

    Args:
        names: C classes.
        panels: By the title of their axis: bars by what they are called, C values each; None draws nothing.
        out: A PNG file.

    Raises:
        ConfigError: If the file cannot be written, or matplotlib is not installed.
    """
    figure = _figure(max(6.0, 0.5 * len(names) + 2), 3.2 * len(panels))
    for number, (title, bars) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(len(panels), 1, number)
        width = 0.8 / len(bars)
        for place, (label, values) in enumerate(bars.items()):
            heights = [np.nan if value is None else value for value in values]
            axes.bar(np.arange(len(names)) + (place - (len(bars) - 1) / 2) * width, heights, width, label=label)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_ylabel(title)
        if len(bars) > 1:
            axes.legend()
    _save(figure, out)


def _figure(width: float, height: float) -> Figure:
    figure: Figure = optional("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    return figure


def _save(figure: Figure, out: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_output(out, content.getvalue())
