"""A real Visdom server on a free loopback port, and reports as a training makes them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.guidance.reports import StepReport
from guidegan_plugin.monitors.visdom.address import Address

START = "from visdom.server.run_server import main; main()"  # unlike visdom.server, it downloads nothing


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> None:  # a busy machine starts a server slowly
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Server:
    """A Visdom server that can be killed and brought back on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-c", START, "-port", str(self.port), "-bind_local", "-env_path", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(self.folder)} | (environment or {}),
        )
        wait_until(self.answers)

    def answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def windows(self, env: str) -> dict[str, Any]:
        """What its API says of every window."""
        from guidegan_plugin.monitors.visdom.client import Client

        client = Client(Address(port=self.port), env)
        return json.loads(client.get_window_data() or "{}") if env in client.get_env_list() else {}


def free_port() -> int:
    """Below the ports that systems hand out by themselves, so that no other test gets it while its server is away."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, not started yet."""
    pytest.importorskip("visdom")
    (folder := tmp_path / "visdom").mkdir()
    made = Server(folder)
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("visdom")
    made = Server(tmp_path_factory.mktemp("visdom"))
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def running(shared: Server) -> Server:
    """A server that runs and has no window."""
    from guidegan_plugin.monitors.visdom.client import Client

    client = Client(Address(port=shared.port), "main")
    for env in client.get_env_list():
        client.close(env=env)
    return shared


@pytest.fixture
def waiting() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def make_report() -> Callable[..., StepReport]:
    """A visit of two 8 x 12 images; the first is gray 0.5 with a map that is bright on its left half."""

    def make(step: int = 1, pair: str = "A", **changes: Any) -> StepReport:
        images = torch.zeros(2, 3, 8, 12)
        images[1] = 1
        maps = torch.zeros(2, 1, 4, 6)
        maps[:, :, :, :3] = 1
        values: dict[str, Any] = {
            "pair": pair,
            "step": step,
            "keys": ("trainA/<one>.png", "trainA/two.png"),
            "images": images,
            "maps": maps,
            "blended": torch.ones(2, 1, 1, 1),
            "output": -torch.ones(2, 3, 8, 12),
            "ages": (None, 4),
            "score": torch.tensor(0.25),
            "losses": {"G_A": torch.tensor(1.5), "cycle_A": 2.5},
            "preview": ResidualHadamard().preview,
        }
        return StepReport(**values | changes)

    return make
