"""A log that was written without a Visdom server is shown on one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.live import require
from guidegan_plugin.monitors.visdom import Address, credentials
from guidegan_plugin.progress import Track, silently

_log = logging.getLogger(__name__)


def replay(path: Path, server: str, port: int, env: str | None = None, track: Track = silently) -> int:
    """Send what ``--guide_visdom_offline`` logged, in its order.

    A line cut off at the end, by a killed run, is passed over with a warning.

    Args:
        path: The log.
        server: URL of the Visdom server, without the port.
        port: Its port.
        env: The environment to show it in, by default the one it was logged for.
        track: Shows how far it is.

    Returns:
        How many updates were sent.

    Raises:
        ConfigError: If the file cannot be read or is no such log, or there is no server; nothing is sent then of a
            file that is no log.
    """
    require("visdom")
    from guidegan_plugin.monitors.visdom_client import Client

    messages, address = read_log(path), Address(server, port)
    client = Client(address, env or "guidegan", credentials())
    for endpoint, message in track(messages, "replay"):
        try:
            client.replay(endpoint, message, env)
        except OSError as error:
            raise ConfigError(
                f"no Visdom server at {address}; start one, python -m visdom.server -port {port} "
                "-bind_local, or change --server and --port"
            ) from error
    return len(messages)


def read_log(path: Path) -> list[tuple[str, dict[str, object]]]:
    """Read a log.

    Returns:
        Endpoint and message of each update.

    Raises:
        ConfigError: If it cannot be read or is no such log.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} ({getattr(error, 'strerror', 'no text')}); change FILE") from error
    messages = []
    for number, line in enumerate(lines, 1):
        try:
            endpoint, message = json.loads(line)
            if endpoint not in ("events", "update") or not isinstance(message, dict):
                raise ValueError
        except (ValueError, TypeError) as error:
            if number == len(lines) > 1:
                _log.warning("%s ends in the middle of a line; the run was killed while it wrote", path)
                break
            raise ConfigError(
                f"{path}, line {number}: no update for Visdom; change FILE to what --guide_visdom_offline wrote"
            ) from error
        messages.append((endpoint, message))
    if not messages:
        raise ConfigError(f"{path} is empty; change FILE to what --guide_visdom_offline wrote")
    return messages
