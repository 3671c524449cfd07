"""A log that was written without a Visdom server is shown on one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.live import require
from guidegan_plugin.monitors.visdom.address import Address, credentials
from guidegan_plugin.monitors.visdom.log import Message, parse
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.progress import progress

_log = logging.getLogger(__name__)


def replay(path: Path, server: str, port: int, env: str | None = None) -> int:
    """Send what ``--guide_visdom_offline`` logged, in its order.

    Lines that a killed run cut off are passed over with a warning.

    Args:
        path: The log.
        server: URL of the Visdom server, without the port.
        port: Its port.
        env: The environment to show it in, by default the one it was logged for.

    Returns:
        How many updates were sent.

    Raises:
        ConfigError: If the file cannot be read or is no such log, or there is no server; nothing is sent then of a
            file that is no log.
    """
    require("visdom", None)
    from guidegan_plugin.monitors.visdom.client import Client

    address, sent = Address(server, port, ("--server", "--port")), 0
    client = Client(address, env or "guidegan", credentials())
    for endpoint, message in progress(read_log(path), "replay"):
        try:
            client.replay(endpoint, message, env)
        except OSError as error:
            raise ConfigError(
                f"no Visdom server at {address}; start one, python -m visdom.server -port {port} "
                "-bind_local, or change --server and --port"
            ) from error
        sent += 1
    return sent


def read_log(path: Path) -> Iterator[tuple[str, Message]]:
    """Read a log, line by line, since the pictures of a long training are more than memory holds.

    Lines that are torn are passed over, with one warning at the end.

    Yields:
        Endpoint and message of each update.

    Raises:
        ConfigError: If it cannot be read or no line of it is an update.
    """
    torn, whole = list[int](), 0
    with os_errors_as(ConfigError, f"cannot read {path}", "change FILE"), path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line == b"\n":
                continue
            if (update := parse(line.decode(errors="replace"))) is None:
                torn.append(number)
            else:
                whole += 1
                yield update
    if not whole:
        found = f"{path}, line {torn[0]}: no update for Visdom" if torn else f"{path} is empty"
        raise ConfigError(f"{found}; change FILE to what --guide_visdom_offline wrote")
    if torn:
        _log.warning(
            "%s: %d of %d lines are torn (the first is line %d) and passed over; a run was killed while it wrote",
            path,
            len(torn),
            len(torn) + whole,
            torn[0],
        )
