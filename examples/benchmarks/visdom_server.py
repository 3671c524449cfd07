"""A Visdom server of a benchmark's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

CODE = "from visdom.server.run_server import main; main()"  # unlike visdom.server, it downloads nothing


class Server:
    """A Visdom server that can die and come back, on a loopback port of its own.

    Args:
        folder: Where it keeps what it keeps.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = self.deaths = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-c", CODE, "-port", str(self.port), "-bind_local", "-env_path", str(self._folder)]
        environment = {**os.environ, "HOME": str(self._folder)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process, self.starts = process, self.starts + 1
        while process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit("visdom's server does not start; is visdom installed?")

    def die(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process, self.deaths = None, self.deaths + 1
