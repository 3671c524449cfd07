"""Which windows a training has on a Visdom server, and what becomes of them while it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.visdom.log import Points

if TYPE_CHECKING:
    from guidegan_plugin.monitors.visdom.client import Client

_log = logging.getLogger(__name__)

_PATIENCE = (1.0, 60.0)  # seconds between two attempts to reach a server: at first, at most
_POINTS = 1000  # of a trace; twice as many are thinned out, as no screen is wider
_TITLES = {
    "entropy": "map entropy",
    "age": "map age in batches",
    "score": "D's score of the output",
    "never_visited": "share of first visits",
}


@dataclass
class _Curve:
    """One trace: what a server that lost its windows has to be given again."""

    steps: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> bool:
        """Add a point, and say whether others had to be thinned out for it."""
        if full := len(self.steps) >= 2 * _POINTS:
            del self.steps[1::2], self.values[1::2]
        self.steps.append(float(step))
        self.values.append(value)
        return full


class VisdomScreen:
    """Windows ``guide_<pair>_input`` and so on and ``guide_curves_<name>``, updated in place.

    A resumed training continues the curves that are there.

    Args:
        connect: Makes a client, without reaching for its server.
        where: Of the server, for messages.
        clock: Seconds, for tests.
    """

    def __init__(self, connect: Callable[[], Client], where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect, self._where, self._clock = connect, where, clock
        self._client: Client | None = None
        self._curves: dict[str, dict[str, _Curve]] = {}
        self._recalled: set[str] = set()  # windows whose past is known
        self._there: dict[str, list[str]] = {}  # traces by window, as far as we have given them to the server
        self._warned, self._wait, self._next = False, _PATIENCE[0], 0.0

    def open(self) -> None:
        """Make the client."""
        self._client = self._connect()

    def show(self, frame: Frame) -> None:
        """Update the windows; while the server is away only the curves are remembered."""
        for name, points in frame.curves.items():
            for trace, value in points.items():
                if self._curves.setdefault(name, {}).setdefault(trace, _Curve()).add(frame.step, value):
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

    def close(self) -> None:
        """Nothing is left open."""

    def _draw(self, frame: Frame) -> None:
        client = self._client
        if client is None:
            return
        for name, picture in frame.pictures.items():
            caption = f"step {frame.step}: {frame.caption}"
            client.picture(f"guide_{frame.pair}_{name}", f"{frame.pair}: {name}", caption, picture)
        for name, curves in self._curves.items():
            window = f"guide_curves_{name}"
            # A line begins with two points, and so behind all pairs' pictures on the page.
            if any(len(curve.steps) > 1 for curve in curves.values()):
                self._draw_curves(client, window, name, curves, frame.curves.get(name, {}))

    def _draw_curves(
        self, client: Client, window: str, name: str, curves: dict[str, _Curve], new: Mapping[str, float]
    ) -> None:
        there = self._there.get(window, [])
        if there and not new:
            return
        if window not in self._recalled:
            self._recall(client.past(window), curves)
            self._recalled.add(window)
        # A server may have begun anew, and a user may have closed the window.
        order = list(curves) if name == "losses" else sorted(curves)  # a pair has one colour everywhere
        if order != there or not client.has(window):
            traces = {trace: (curves[trace].steps, curves[trace].values) for trace in order}
            client.begin(window, _TITLES.get(name, name), traces)
            self._there[window] = order
        else:
            points = {trace: (curves[trace].steps[-1], value) for trace, value in new.items()}
            client.extend(window, points, whole=list(points) == there)

    @staticmethod
    def _recall(past: Mapping[str, Points], curves: dict[str, _Curve]) -> None:
        """Continue what a window has: all of it where a training is resumed, nothing where it begins at step 1."""
        first = min(curve.steps[0] for curve in curves.values())
        for trace, points in past.items():
            known = [(step, value) for step, value in zip(*points, strict=False) if step < first]
            if known:
                curve = curves.setdefault(trace, _Curve())
                curve.steps[:0], curve.values[:0] = map(list, zip(*known, strict=True))

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            port = self._where.rpartition(":")[2]
            _log.warning(
                "no Visdom server at %s (%s); the training goes on, and its windows appear once there is one: "
                "python -m visdom.server -port %s -bind_local",
                self._where,
                type(error.__context__ or error).__name__,
                port,
            )
