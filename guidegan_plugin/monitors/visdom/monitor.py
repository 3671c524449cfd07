"""Live windows on a Visdom server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.live import EVERY, LiveMonitor, every_from, require, text_from
from guidegan_plugin.monitors.visdom.address import PORT, SERVER, Address, credentials
from guidegan_plugin.monitors.visdom.windows import VisdomScreen
from guidegan_plugin.utils.options import option


@dataclass(frozen=True)
class VisdomOptions:
    """Options of the Visdom monitor, ``visdom`` and ``visdom_<field>``."""

    on: bool = option(False, "live windows on a Visdom server, which you start")
    server: str = option(SERVER, "its address")
    port: int = option(PORT, "its port")
    env: str = option("", "its environment; by default the run's name")
    offline: str = option("", "log for guidegan replay; no server", metavar="FILE")


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
    Options: ClassVar[type[VisdomOptions]] = VisdomOptions

    def __init__(
        self,
        server: str = SERVER,
        port: int = PORT,
        env: str = "guidegan",
        offline: Path | None = None,
        every: int = EVERY,
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        require("visdom", "" if offline is None else "visdom_offline")
        from guidegan_plugin.monitors.visdom.client import Client  # now, because an import holds up the training

        address, login = Address(server, port), credentials()
        if offline is not None:
            _open_log(offline)
        super().__init__(VisdomScreen(Client(address, env, login, offline)), every, value_range)

    @classmethod
    def from_options(cls, options: VisdomOptions, run: Mapping[str, object]) -> VisdomMonitor | None:
        """Where ``--guide_visdom`` or ``--guide_visdom_offline`` says so."""
        if not (options.on or options.offline):
            return None
        env = options.env or text_from(run, "name", "guidegan")
        offline = Path(options.offline) if options.offline else None
        return cls(options.server, options.port, env, offline, every_from(run))


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
