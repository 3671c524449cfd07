"""Which windows a training has on a Visdom server, and what becomes of them while it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.visdom.log import Points
from guidegan_plugin.monitors.worker import Screen

if TYPE_CHECKING:
    from guidegan_plugin.monitors.visdom.client import Client

_log = logging.getLogger(__name__)

_PATIENCE = (1.0, 60.0)  # seconds between two attempts to reach a server: at first, at most
_POINTS = 1000  # of a trace; twice as many are thinned out, as no screen is wider
_PICTURES = {"attention": "attention map", "blended": "blended input"}
_CURVES = {
    "entropy": "how evenly spread the maps are",
    "age": "age of the blended maps, in batches",
    "score": "how real D finds the output",
    "guided": "batches bound, read for, and judged",
    "never_visited": "share of images seen for the first time",
}


class VisdomScreen(Screen):
    """Windows ``guide_<pair>_input`` and so on and ``guide_curves_<name>``, updated in place.

    A resumed training continues the curves that are there.

    Args:
        client: Of the server, or of a log.
        clock: Seconds, for tests.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._curves: dict[str, dict[str, Points]] = {}  # what a server that lost its windows has to be given again
        self._recalled: set[str] = set()  # windows whose past is known
        self._there: dict[str, list[str]] = {}  # traces by window, as far as we have given them to the server
        self._warned, self._wait, self._next = False, _PATIENCE[0], 0.0

    def show(self, frame: Frame) -> None:
        """Update the windows; while the server is away only the curves are remembered."""
        for name, points in frame.curves.items():
            for trace, value in points.items():
                if _add(self._curves.setdefault(name, {}).setdefault(trace, ([], [])), frame.step, value):
                    self._there.pop(f"guide_curves_{name}", None)  # the server's window must not grow, either
        if self._clock() < self._next:
            return
        try:
            self._draw(frame)
        except OSError as error:  # what the client raises where it cannot reach the server
            self._there.clear()
            self._next = self._clock() + self._wait
            self._wait = min(2 * self._wait, _PATIENCE[1])
            self._warn(error)
        else:
            self._wait = _PATIENCE[0]

    def _draw(self, frame: Frame) -> None:
        for name, picture in frame.pictures.items():
            caption = f"step {frame.step}: {frame.caption}"
            title = f"{frame.pair}: {_PICTURES.get(name, name)}"
            self._client.picture(f"guide_{frame.pair}_{name}", title, caption, picture)
        for name, curves in self._curves.items():
            window = f"guide_curves_{name}"
            # A line begins with two points, and so behind all pairs' pictures on the page.
            if any(len(steps) > 1 for steps, _ in curves.values()):
                self._draw_curves(window, name, curves, frame.curves.get(name, {}))

    def _draw_curves(self, window: str, name: str, curves: dict[str, Points], new: Mapping[str, float]) -> None:
        there = self._there.get(window, [])
        if there and not new:
            return
        if window not in self._recalled:
            _recall(self._client.past(window), curves)
            self._recalled.add(window)
        # A server may have begun anew, and a user may have closed the window.
        order = list(curves) if name == "losses" else sorted(curves)  # a pair has one colour everywhere
        if order != there or not self._client.has(window):
            self._client.begin(window, _CURVES.get(name, name), {trace: curves[trace] for trace in order})
            self._there[window] = order
        else:
            points = {trace: (curves[trace][0][-1], value) for trace, value in new.items()}
            self._client.extend(window, points, whole=list(points) == there)

    def _warn(self, error: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        cause = type(error.__context__ or error).__name__
        if self._client.offline:
            _log.warning("cannot write %s (%s); the training goes on without it", self._client.where, cause)
        else:
            _log.warning(
                "no Visdom server at %s (%s); the training goes on, and its windows appear once there is one: "
                "python -m visdom.server -port %s -bind_local",
                self._client.where,
                cause,
                self._client.port,
            )


def _add(points: Points, step: int, value: float) -> bool:
    """Add a point to a trace, and say whether others had to be thinned out for it."""
    steps, values = points
    if full := len(steps) >= 2 * _POINTS:
        del steps[1::2], values[1::2]
    steps.append(float(step))
    values.append(value)
    return full


def _recall(past: Mapping[str, Points], curves: dict[str, Points]) -> None:
    """Continue what a window has: all of it where a training is resumed, nothing where it begins at step 1."""
    first = min(steps[0] for steps, _ in curves.values())
    for trace, points in past.items():
        known = [(step, value) for step, value in zip(*points, strict=False) if step < first]
        if known:
            steps, values = curves.setdefault(trace, ([], []))
            steps[:0], values[:0] = map(list, zip(*known, strict=True))
