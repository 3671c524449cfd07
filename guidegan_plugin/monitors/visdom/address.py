"""Where a Visdom server is, and who may use the server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from guidegan_plugin.errors import ConfigError

SERVER, PORT = "http://127.0.0.1", 8097
USERNAME, PASSWORD = "VISDOM_USERNAME", "VISDOM_PASSWORD"  # the names its server reads


@dataclass(frozen=True)
class Address:
    """A Visdom server.

    Attributes:
        server: Its URL without the port; a path is its ``-base_url``.
        port: Its port.
        flags: What a user changes, for the errors.

    Raises:
        ConfigError: If that is no address.
    """

    server: str = SERVER
    port: int = PORT
    flags: tuple[str, str] = field(
        default=("server= (--guide_visdom_server)", "port= (--guide_visdom_port)"), repr=False
    )

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.server)
        except ValueError:  # half of an IPv6 address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or ":" in parts.netloc.rpartition("]")[2]:
            raise ConfigError(
                f"server: expected an address without a port such as {SERVER}, found {self.server!r}; change "
                f"{self.flags[0]}, the port is {self.flags[1]}"
            )
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port: expected a port from 1 to 65535, found {self.port}; change {self.flags[1]}")

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
