"""What ``--guide_visdom_offline`` writes: one update for Visdom a line, in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

Message = Mapping[str, object]
Points = tuple[list[float], list[float]]  # steps and values


def parse(line: str) -> tuple[str, Message] | None:
    """Endpoint and message of an update, None where a line is none."""
    try:
        endpoint, message = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    return (endpoint, message) if endpoint in ("events", "update") and isinstance(message, dict) else None


def traces_of(data: object) -> dict[str, Points]:
    """The curves of a window, or the points an update adds to them.

    Args:
        data: As Visdom has it: a list of traces with ``name``, ``x`` and ``y``; None stands for NaN.

    Returns:
        Points by trace.
    """
    traces = [trace for trace in data if isinstance(trace, dict)] if isinstance(data, list) else []
    return {
        str(trace["name"]): (_numbers(trace["x"]), _numbers(trace["y"]))
        for trace in traces
        if {"name", "x", "y"} <= trace.keys()
    }


def curves_in(path: Path, env: str) -> dict[str, dict[str, Points]]:
    """The curves of a log, as a server would have them.

    Args:
        path: The log; lines that are torn are passed over.
        env: Whose windows are meant.

    Returns:
        Points by window and trace.

    Raises:
        OSError: If the file cannot be read.
    """
    found: dict[str, dict[str, Points]] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            update = parse(line) if '"guide_curves_' in line else None  # the others are pictures, and long
            if update is None or update[1].get("eid") != env:
                continue
            window = str(update[1].get("win"))
            if update[0] == "events":  # the window is begun anew
                found[window] = {}
            for trace, points in traces_of(update[1].get("data")).items():
                known = found.setdefault(window, {}).setdefault(trace, ([], []))
                for column, more in zip(known, points, strict=True):
                    column += more
    return found


def _numbers(values: Iterable[object]) -> list[float]:
    return [float(value) if isinstance(value, (int, float)) else float("nan") for value in values]
