"""Visdom's own client, kept from printing, waiting without end and reading answers that say no."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
import visdom

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.frames import Picture
from guidegan_plugin.monitors.visdom.address import PASSWORD, USERNAME, Address
from guidegan_plugin.monitors.visdom.log import Message, Points, curves_in, traces_of

_TIMEOUT = (2.0, 5.0)  # seconds to connect, to answer
_REFUSED = (400, 401, 403)  # how a server, or a proxy before it, asks for a login
_PANE = 220  # pixels a picture's window is wide and high, however small the picture


class Client(visdom.Visdom):
    """A client that raises ``ConnectionError`` where there is no server; it reaches for one when first used.

    Args:
        address: Of the server.
        env: The environment whose windows are meant.
        login: User and password.
        offline: A file that takes what would be sent.

    Attributes:
        where: The server's address or the file's path, for messages.
    """

    def __init__(
        self, address: Address, env: str, login: tuple[str, str] | None = None, offline: Path | None = None
    ) -> None:
        url = urlsplit(address.server)
        self._session: requests.Session | None = None
        super().__init__(
            server=f"{url.scheme}://{url.netloc}",
            port=address.port,
            base_url=url.path.rstrip("/") or "/",
            env=env,
            send=False,  # or the constructor would send already
            raise_exceptions=True,
            use_incoming_socket=False,
            log_to_filename=None if offline is None else str(offline),
        )
        self.send, self.offline = True, offline is not None
        self.where = str(offline or address)
        self._host, self._login = url.hostname or "", login
        self._file, self._file_curves = offline, dict[str, dict[str, Points]]()
        self._file_is_read = False

    def picture(self, window: str, title: str, caption: str, picture: Picture) -> None:
        """Put a picture, ``(H, W, 3)``, uint8, into a window."""
        options = {"title": title, "caption": caption, "width": _PANE, "height": _PANE}
        self._answered(window, self.image(picture.transpose(2, 0, 1), win=window, opts=options))

    def begin(self, window: str, title: str, traces: Mapping[str, Points]) -> None:
        """Make a window of curves anew, from all their points."""
        options = {"title": title, "xlabel": "step", "showlegend": True}
        for number, (trace, (steps, values)) in enumerate(traces.items()):
            update = "append" if number else None
            answer = self.line(np.array(values), np.array(steps), win=window, name=trace, opts=options, update=update)
            self._answered(window, answer)
            options = {}

    def extend(self, window: str, points: Mapping[str, tuple[float, float]], whole: bool) -> None:
        """Add a point each to traces of a window.

        Args:
            window: Its name.
            points: By trace.
            whole: Whether these are all traces of the window, in its order; they take a single message then.
        """
        if whole and len(points) > 1:
            steps, values = (np.array([column]) for column in zip(*points.values(), strict=True))
            self.line(values, steps, win=window, opts={"legend": list(points)}, update="append")
            return
        for trace, (step, value) in points.items():
            self.line(np.array([value]), np.array([step]), win=window, name=trace, update="append")

    def has(self, window: str) -> bool:
        """Whether the server has a window; a file has what it was given."""
        return self.offline or str(self._win_exists_wrap(window)) == "true"

    def past(self, window: str) -> Mapping[str, Points]:
        """What a window of curves already has, by trace; to be asked before the first :meth:`begin`."""
        if self._file is not None:
            if not self._file_is_read:  # once, since a log is long: curves this process writes are none of its past
                self._file_curves = curves_in(self._file, self.env) if self._file.exists() else {}
                self._file_is_read = True
            return self._file_curves.get(window, {})
        if not self.has(window):
            return {}
        content = json.loads(self.get_window_data(window))["content"]
        return traces_of(content.get("data") if isinstance(content, dict) else None)

    def replay(self, endpoint: str, message: Message, env: str | None) -> None:
        """Send what a file took, into another environment if one is named."""
        answer = self._send({**message, **({} if env is None else {"eid": env})}, endpoint, from_log=True)
        self._answered(message.get("win"), answer)

    def _answered(self, window: object, answer: object) -> None:
        """Make sure that a Visdom server has answered: it says the window's name, and others say that all is well.

        Raises:
            ConnectionError: If somebody else has.
        """
        if answer != window:
            raise ConnectionError(f"what answers at {self.where} is no Visdom server")

    @property
    def session(self) -> requests.Session:
        """The connection, logged in where there is a login."""
        if self._session is None:
            session = requests.Session()
            session.trust_env = not _is_loopback(self._host)  # a proxy cannot reach this machine's own server
            if self._login is not None:
                user, password = self._login
                sent = {"username": user, "password": hashlib.sha256(password.encode()).hexdigest()}
                answer = session.post(f"{self.server}:{self.port}{self.base_url}", json=sent, timeout=_TIMEOUT)
                if answer.status_code in _REFUSED:
                    raise ConfigError(f"the Visdom server refuses this login; change {USERNAME} and {PASSWORD}")
                answer.raise_for_status()
            self._session = session
        return self._session

    def _handle_post(self, url: str, data: Any = None) -> str:
        answer = self.session.post(url, data=data or {}, timeout=_TIMEOUT)
        if answer.status_code in _REFUSED and self._login is not None:
            self._session = None  # a server that was started anew may know nobody of before
            answer = self.session.post(url, data=data or {}, timeout=_TIMEOUT)
        if answer.status_code in _REFUSED:
            raise ConfigError(f"the Visdom server wants a login; set {USERNAME} and {PASSWORD}")
        answer.raise_for_status()
        return answer.text

    def win_exists(self, win: str, env: str | None = None) -> bool:
        """Yes, without a request: :meth:`line` would make one for each of its own, and we ask :meth:`has` before."""
        return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
