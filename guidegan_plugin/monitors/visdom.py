"""Live windows on a Visdom server."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.live import EVERY, LiveMonitor, every_from, text_from

if TYPE_CHECKING:
    from guidegan_plugin.monitors.visdom_client import Client

_log = logging.getLogger(__name__)

SERVER, PORT = "http://127.0.0.1", 8097
USERNAME, PASSWORD = "VISDOM_USERNAME", "VISDOM_PASSWORD"  # the names its server reads
_PATIENCE = (1.0, 60.0)  # seconds between two attempts to reach a server: at first, at most
_POINTS = 1000  # of a trace; twice as many are thinned out, as no screen is wider


@dataclass(frozen=True)
class Address:
    """A Visdom server.

    Attributes:
        server: Its URL without the port; a path is its ``-base_url``.
        port: Its port.

    Raises:
        ConfigError: If that is no address.
    """

    server: str = SERVER
    port: int = PORT

    def __post_init__(self) -> None:
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.hostname or ":" in parts.netloc.rpartition("]")[2]:
            raise ConfigError(
                f"server: expected an address without a port such as {SERVER}, found {self.server!r}; change server= "
                "(--guide_visdom_server), the port is port= (--guide_visdom_port)"
            )
        if not 1 <= self.port <= 65535:
            raise ConfigError(
                f"port: expected a port from 1 to 65535, found {self.port}; change port= (--guide_visdom_port)"
            )

    def __str__(self) -> str:
        return f"{self.server}:{self.port}"


def credentials() -> tuple[str, str] | None:
    """User and password from the environment, None where there are none.

    Raises:
        ConfigError: If one is set without the other.
    """
    username, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if bool(username) != bool(password):
        raise ConfigError(f"{USERNAME} and {PASSWORD} belong together and one is missing; set both or neither")
    return (username, password) if username and password else None


def require_visdom() -> None:
    """Make sure that the package is there.

    Raises:
        ConfigError: If it is not.
    """
    if importlib.util.find_spec("visdom") is None:
        raise ConfigError('visdom is not installed; pip install "guidegan_plugin[visdom]", or leave out --guide_visdom')


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

    Args:
        connect: Makes a client, without reaching for its server.
        where: Of the server, for messages.
        clock: Seconds, for tests.
    """

    def __init__(self, connect: Callable[[], Client], where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect, self._where, self._clock = connect, where, clock
        self._client: Client | None = None
        self._curves: dict[str, dict[str, _Curve]] = {}
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
        self, client: Client, window: str, name: str, curves: Mapping[str, _Curve], new: Mapping[str, float]
    ) -> None:
        there = self._there.get(window, [])
        if there and not new:
            return
        # A server may have begun anew, and a user may have closed the window.
        if list(curves) != there or not client.has(window):
            traces = {trace: (curve.steps, curve.values) for trace, curve in curves.items()}
            client.begin(window, _TITLES.get(name, name), traces)
            self._there[window] = list(curves)
        else:
            points = {trace: (curves[trace].steps[-1], value) for trace, value in new.items()}
            client.extend(window, points, whole=list(points) == there)

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


class VisdomMonitor(LiveMonitor):
    """Shows where the discriminator looks on a Visdom server, which somebody else starts.

    Args:
        server: URL of the server, without the port.
        port: Port of the server.
        env: Visdom's environment; one a run keeps runs apart.
        offline: A file to log to in place of a server, for ``guidegan replay``.
        every: Steps from frame to frame.
        value_range: Of the training's images.

    Raises:
        ConfigError: If the package is missing, or an argument cannot work.
    """

    name: ClassVar[str] = "visdom"

    def __init__(
        self,
        server: str = SERVER,
        port: int = PORT,
        env: str = "guidegan",
        offline: Path | None = None,
        every: int = EVERY,
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        require_visdom()
        from guidegan_plugin.monitors.visdom_client import Client  # now, because an import holds up the training

        address, login = Address(server, port), credentials()
        if offline is not None:
            _check_writable(offline)
        screen = VisdomScreen(lambda: Client(address, env, login, offline), str(offline or address))
        super().__init__(screen, every, value_range)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        """``--guide_visdom`` and what belongs to it."""
        if is_train:
            add = parser.add_argument
            add("--guide_visdom", action="store_true", help="live windows on a Visdom server, which you start")
            add("--guide_visdom_server", default=SERVER, help="its address")
            add("--guide_visdom_port", type=int, default=PORT, help="its port")
            add("--guide_visdom_env", default="", help="its environment; by default the run's name")
            add("--guide_visdom_offline", default="", metavar="FILE", help="log for guidegan replay; no server")

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> VisdomMonitor | None:
        """Where ``--guide_visdom`` or ``--guide_visdom_offline`` says so."""
        offline = text_from(options, "guide_visdom_offline")
        if not (options.get("guide_visdom") or offline):
            return None
        return cls(
            text_from(options, "guide_visdom_server", SERVER),
            int(text_from(options, "guide_visdom_port", str(PORT))),
            text_from(options, "guide_visdom_env", text_from(options, "name", "guidegan")),
            Path(offline) if offline else None,
            every_from(options),
        )


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ConfigError(
            f"cannot write {path} ({error.strerror}); change offline= (--guide_visdom_offline)"
        ) from error
