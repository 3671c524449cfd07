"""Live windows on a Visdom server."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.live import EVERY, LiveMonitor, every_from, require, text_from
from guidegan_plugin.monitors.visdom.address import PORT, SERVER, Address, credentials
from guidegan_plugin.monitors.visdom.windows import VisdomScreen


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
        require("visdom")
        from guidegan_plugin.monitors.visdom.client import Client  # now, because an import holds up the training

        address, login = Address(server, port), credentials()
        if offline is not None:
            _open_log(offline)
        super().__init__(VisdomScreen(Client(address, env, login, offline)), every, value_range)

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


def _open_log(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as log:  # in binary, which can seek back from the end
            if log.tell() == 0:
                return
            log.seek(-1, os.SEEK_END)
            if log.read() != b"\n":  # a run was killed while it wrote a line; ours must not continue it
                log.write(b"\n")
    except OSError as error:
        raise ConfigError(
            f"cannot write {path} ({error.strerror}); change offline= (--guide_visdom_offline)"
        ) from error
