"""Live windows on a real Visdom server, and a training that does not mind when it is away."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.reports import EpochReport
from guidegan_plugin.monitors.frames import Frame, take
from guidegan_plugin.monitors.visdom import windows as module
from guidegan_plugin.monitors.visdom.address import Address
from guidegan_plugin.monitors.visdom.log import curves_in
from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
from guidegan_plugin.monitors.visdom.windows import VisdomScreen

pytest.importorskip("visdom")
PICTURES = ("input", "attention", "blended", "output")


def points(window: dict) -> dict[str, list[tuple[float, float]]]:
    return {trace["name"]: list(zip(trace["x"], trace["y"], strict=True)) for trace in window["content"]["data"]}


def shown(window: dict) -> np.ndarray:
    data = window["content"]["src"].removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def train(make_report, steps: Iterable[int], **where: object) -> VisdomMonitor:  # type: ignore[no-untyped-def]
    """A process that trains two pairs for some steps, and ends."""
    monitor = VisdomMonitor(env="run", every=1, **where)
    monitor._worker._linger = 60.0  # a busy machine shows the last frames late
    for step in steps:
        for pair in "AB":
            monitor.guidegan_step_end(make_report(step, pair))
            while monitor._worker._frames.full():
                time.sleep(0.01)
    monitor.close()
    return monitor


def make_screen(port: int, clock: list[float]) -> VisdomScreen:
    """A screen on a server, whose clock the test moves."""
    from guidegan_plugin.monitors.visdom.client import Client

    return VisdomScreen(Client(Address(port=port), "run"), lambda: clock[0])


def test_windows_show_pictures_and_curves_and_are_updated_in_place(running, make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = VisdomMonitor(port=running.port, env="run", every=1)
    for step in (1, 2):
        for pair in "AB":
            monitor.guidegan_step_end(make_report(step, pair))
        monitor.guidegan_epoch_end(EpochReport("A", step, {"never_visited": 1 / step}))
    monitor.close()
    windows = running.windows("run")
    curves = {f"guide_curves_{name}" for name in ("losses", "entropy", "age", "score", "never_visited")}
    assert set(windows) == {f"guide_{pair}_{name}" for pair in "AB" for name in PICTURES} | curves
    frame = take(make_report())()
    for name in PICTURES:
        np.testing.assert_array_equal(shown(windows[f"guide_A_{name}"]), frame.pictures[name])
    assert windows["guide_A_input"]["content"]["caption"] == "step 2: trainA/<one>.png"
    assert points(windows["guide_curves_losses"]) == {"G_A": [(1, 1.5), (2, 1.5)], "cycle_A": [(1, 2.5), (2, 2.5)]}
    assert points(windows["guide_curves_score"]) == {pair: [(1, 0.25), (2, 0.25)] for pair in "AB"}
    assert points(windows["guide_curves_never_visited"]) == {"A": [(1, 1), (2, 0.5)]}
    assert monitor.dropped == 0


def test_windows_say_in_plain_words_what_they_show(running, make_report) -> None:  # type: ignore[no-untyped-def]
    train(make_report, (1, 2), port=running.port)
    titles = {name.removeprefix("guide_"): window["title"] for name, window in running.windows("run").items()}
    assert {titles[f"A_{name}"] for name in PICTURES} == {
        "A: input",
        "A: attention map",
        "A: blended input",
        "A: output",
    }
    assert titles["curves_entropy"] == "how evenly spread the maps are"
    assert titles["curves_score"] == "how real D finds the output"


@pytest.mark.slow
def test_a_training_goes_on_when_its_server_is_killed_and_is_shown_again_when_it_is_back(  # type: ignore[no-untyped-def]
    server, waiting, monkeypatch, caplog, make_generator, make_discriminator, toy_training
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", (0.05, 0.2))
    server.start()
    generator, discriminator = make_generator(), make_discriminator()
    training = toy_training(generator, discriminator)
    monitor = VisdomMonitor(port=server.port, env="run", every=1)
    guide = attach(generator, discriminator, GuideConfig(), [monitor])
    steps, fakes = 0, []

    def train() -> None:
        nonlocal steps
        images = torch.rand(1, 3, 32, 32)
        guide.bind(images, [f"{steps % 3}.png"])
        fakes[:] = [training.step(images, torch.rand(1, 3, 32, 32))]  # held, as the variable of a loop is
        steps += 1

    def scored() -> list[float]:
        window = server.windows("run").get("guide_curves_score")
        return [] if window is None else [step for step, _ in points(window)["A"]]

    def trained_until(holds) -> bool:  # type: ignore[no-untyped-def]
        train()
        return bool(holds())

    with caplog.at_level(logging.WARNING):
        waiting(lambda: trained_until(lambda: "guide_A_output" in server.windows("run")))
        server.kill()
        waiting(lambda: trained_until(lambda: caplog.records))
        away = steps
        server.start()
        waiting(lambda: trained_until(lambda: max(scored(), default=0) > away))
        monitor.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    message = caplog.records[0].getMessage()
    assert f"python -m visdom.server -port {server.port} -bind_local" in message and "\n" not in message
    seen = scored()
    assert seen[:2] == [1, 2] and seen == sorted(set(seen)), "the curve has what was before"


def test_a_server_that_is_away_is_tried_less_and_less_often(server, make_report, caplog) -> None:  # type: ignore[no-untyped-def]
    clock, tried = [0.0], []
    screen = make_screen(server.port, clock)
    draw = screen._draw
    screen._draw = lambda frame: (tried.append(clock[0]), draw(frame))
    with caplog.at_level(logging.WARNING):
        for second in range(20):
            clock[0] = float(second)
            screen.show(take(make_report(second + 1))())
    assert tried == [0, 1, 3, 7, 15]
    assert len(caplog.records) == 1


def test_a_window_a_user_closed_comes_back_whole(running, make_report) -> None:  # type: ignore[no-untyped-def]
    screen = make_screen(running.port, [0.0])
    for step in (1, 2, 3):
        screen.show(take(make_report(step))())
        if step == 2:
            screen._client.close(win="guide_curves_score")
    assert points(running.windows("run")["guide_curves_score"]) == {"A": [(1, 0.25), (2, 0.25), (3, 0.25)]}


@pytest.mark.parametrize("again", [4, 3])  # a run may be killed after its last checkpoint
def test_a_resumed_training_continues_the_curves_that_are_there(running, make_report, again: int) -> None:  # type: ignore[no-untyped-def]
    train(make_report, (1, 2, 3), port=running.port)
    running_again = train(make_report, range(again, 6), port=running.port)
    assert running_again.dropped == 0
    windows = running.windows("run")
    assert points(windows["guide_curves_score"]) == {pair: [(step, 0.25) for step in range(1, 6)] for pair in "AB"}
    assert points(windows["guide_curves_losses"])["G_A"] == [(step, 1.5) for step in range(1, 6)]


def test_a_training_from_step_1_begins_its_curves_anew(running, make_report) -> None:  # type: ignore[no-untyped-def]
    for steps in ((1, 2, 3), (1, 2)):
        train(make_report, steps, port=running.port)
    assert points(running.windows("run")["guide_curves_score"])["A"] == [(1, 0.25), (2, 0.25)]


def test_a_resumed_training_continues_the_curves_of_its_log(tmp_path: Path, make_report) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "log"
    for steps in ((1, 2, 3), (4, 5)):
        train(make_report, steps, offline=log)
    curves = curves_in(log, "run")
    assert curves["guide_curves_score"] == {pair: ([1, 2, 3, 4, 5], [0.25] * 5) for pair in "AB"}
    assert not curves_in(log, "another run")


def test_long_curves_are_thinned_out_on_the_server_too(running, make_report, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "_POINTS", 4)
    screen = make_screen(running.port, [0.0])
    for step in range(1, 41):
        screen.show(Frame("A", step, "", {}, {"score": {"A": float(step)}}))
    shown_points = points(running.windows("run")["guide_curves_score"])["A"]
    steps = [step for step, _ in shown_points]
    assert 4 <= len(steps) <= 8 and steps == sorted(steps) and steps[0] == 1 and steps[-1] == 40
    assert all(step == value for step, value in shown_points)


DEAD = """
import sys, time, torch
from guidegan_plugin.guidance.reports import StepReport
from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
monitor = VisdomMonitor(port=int(sys.argv[1]), every=1)
images, maps = torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 4, 4)
for step in range(1, 51):
    monitor.guidegan_step_end(StepReport("A", step, ("one.png",), images, maps, maps, images))
print(monitor.dropped)
"""


@pytest.mark.slow
def test_a_server_that_never_answers_holds_up_neither_the_training_nor_its_end(silent_port: int) -> None:
    before = time.monotonic()
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", DEAD, str(silent_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("raise --guide_monitor_freq (every=)\n") and done.stderr.count("\n") == 1, done.stderr
    assert int(done.stdout) >= 40
    assert time.monotonic() - before < 30  # starting Python and torch included


def test_a_server_with_a_login_takes_user_and_password_from_the_environment(  # type: ignore[no-untyped-def]
    server, make_report, monkeypatch, caplog
) -> None:
    login = {"VISDOM_USERNAME": "ann", "VISDOM_PASSWORD": "secret"}
    own = {"VISDOM_USE_ENV_CREDENTIALS": "1", "VISDOM_COOKIE": "salt"}
    (server.folder / ".visdom").mkdir()
    server.start("-enable_login", environment=login | own)
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    monitor = VisdomMonitor(port=server.port, env="run", every=1)
    monitor.guidegan_step_end(make_report())
    monitor.close()
    from guidegan_plugin.monitors.visdom.client import Client

    assert Client(Address(port=server.port), "run", ("ann", "secret")).has("guide_A_input")
    with caplog.at_level(logging.WARNING):
        for password in ("wrong", ""):
            monkeypatch.setenv("VISDOM_PASSWORD", password)
            if not password:
                monkeypatch.delenv("VISDOM_USERNAME")
            refused = VisdomMonitor(port=server.port, env="run", every=1)
            refused.guidegan_step_end(make_report())
            refused.close()
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2 and "refuses this login; change VISDOM_USERNAME and VISDOM_PASSWORD" in texts[0]
    assert "wants a login; set VISDOM_USERNAME and VISDOM_PASSWORD" in texts[1]
    assert "wrong" not in caplog.text


def test_a_server_that_comes_back_and_knows_nobody_is_logged_into_again(  # type: ignore[no-untyped-def]
    server,
) -> None:
    login = {"VISDOM_USERNAME": "ann", "VISDOM_PASSWORD": "secret"}
    own = {"VISDOM_USE_ENV_CREDENTIALS": "1", "VISDOM_COOKIE": "salt"}
    (server.folder / ".visdom").mkdir()
    server.start("-enable_login", environment=login | own)
    from guidegan_plugin.monitors.visdom.client import Client

    client = Client(Address(port=server.port), "run", ("ann", "secret"))
    assert not client.has("guide_A_input")
    server.kill()
    (server.folder / ".visdom" / "COOKIE_SECRET").unlink()
    server.start("-enable_login", environment=login | own | {"VISDOM_COOKIE": "another"})
    client.picture("guide_A_input", "", "", np.zeros((8, 8, 3), np.uint8))
    assert client.has("guide_A_input")


@pytest.fixture
def answering() -> Iterator[Callable[[int], int]]:
    """Something that is no Visdom server and gives every request one answer; from the answer's status to its port."""
    with contextlib.ExitStack() as left:

        def start(status: int) -> int:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self) -> None:
                    self.rfile.read(int(self.headers["Content-Length"]))
                    self.send_response(status)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"ok")

                def log_message(self, *_: object) -> None:
                    pass

            made = left.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=made.serve_forever, daemon=True).start()
            left.callback(made.shutdown)
            return int(made.server_address[1])

        yield start


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("status", [200, 404, 500])
def test_what_answers_and_is_no_visdom_server_is_told_as_such(  # type: ignore[no-untyped-def]
    answering, make_report, caplog, status: int, login: bool
) -> None:
    from guidegan_plugin.monitors.visdom.client import Client

    port = answering(status)
    screen = VisdomScreen(Client(Address(port=port), "run", ("ann", "secret") if login else None))
    with caplog.at_level(logging.WARNING):
        screen.show(take(make_report())())
    assert f"no Visdom server at http://127.0.0.1:{port} (" in caplog.text


def test_a_password_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISDOM_USERNAME", raising=False)
    monkeypatch.setenv("VISDOM_PASSWORD", "secret")
    with pytest.raises(ConfigError, match="VISDOM_USERNAME and VISDOM_PASSWORD belong together"):
        VisdomMonitor()


@pytest.mark.parametrize("server", ["localhost", "http://host:9000", "ftp://host", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(ConfigError, match=r"--guide_visdom_server"):
        Address(server)


def test_addresses_may_be_ipv6_and_have_a_path_and_ports_must_be_ports() -> None:
    assert str(Address("http://[::1]", 80)) == "http://[::1]:80"
    from guidegan_plugin.monitors.visdom.client import Client

    assert Client(Address("https://host/visdom/"), "run").base_url == "/visdom"
    with pytest.raises(ConfigError, match=r"found 0; change port= \(--guide_visdom_port\)"):
        Address(port=0)


def test_options_switch_it_on_with_the_runs_name_as_environment(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    made: list[tuple] = []
    monkeypatch.setattr(VisdomMonitor, "__init__", lambda self, *values: made.append(values))
    assert VisdomMonitor.from_options(VisdomMonitor.Options(), {}) is None
    VisdomMonitor.from_options(VisdomMonitor.Options(on=True), {"name": "zebra", "guide_monitor_freq": 7})
    VisdomMonitor.from_options(VisdomMonitor.Options(offline="log", env="mine", port=9), {})
    assert made == [
        ("http://127.0.0.1", 8097, "zebra", None, 7),
        ("http://127.0.0.1", 9, "mine", Path("log"), 100),
    ]


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .* \(--guide_visdom_offline\)"):
        VisdomMonitor(offline=tmp_path)


def test_a_log_that_can_no_longer_be_written_is_one_warning_that_names_it(tmp_path: Path, make_report, caplog) -> None:  # type: ignore[no-untyped-def]
    log = tmp_path / "logs" / "log"
    monitor = VisdomMonitor(offline=log, every=1)
    log.unlink()
    log.parent.rmdir()
    monitor.guidegan_step_end(make_report(1))
    monitor.guidegan_step_end(make_report(2))
    monitor.close()
    (record,) = caplog.records
    assert record.getMessage() == f"cannot write {log} (FileNotFoundError); the training goes on without it"


def test_a_missing_package_is_said_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"install it \(.*PIP_BUILD_CONSTRAINT=c.txt pip install visdom .* leave out --guide_visdom$"
    ):
        VisdomMonitor()


def test_an_epoch_without_a_step_is_no_reason_to_fail(running) -> None:  # type: ignore[no-untyped-def]
    screen = make_screen(running.port, [0.0])
    for step in (0, 0):
        screen.show(Frame("A", step, "", {}, {"never_visited": {"A": float("nan")}}))
    assert list(running.windows("run")) == ["guide_curves_never_visited"]
