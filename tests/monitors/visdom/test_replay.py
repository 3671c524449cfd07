"""What was logged without a server is shown on one later."""

from __future__ import annotations

import logging
import tracemalloc
from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
from guidegan_plugin.monitors.visdom.replay import read_log, replay

pytest.importorskip("visdom")


@pytest.fixture
def log(tmp_path: Path, make_report) -> Path:  # type: ignore[no-untyped-def]
    path = tmp_path / "logs" / "run.visdom"
    monitor = VisdomMonitor(env="run", offline=path, every=1)
    for step in (1, 2, 3):
        monitor.guidegan_step_end(make_report(step))
    monitor.close()
    return path


def without_identity(windows: dict) -> dict:
    return {name: {key: window[key] for key in ("type", "title", "content")} for name, window in windows.items()}


def test_a_replayed_log_shows_what_a_server_would_have_shown(running, log: Path, make_report) -> None:  # type: ignore[no-untyped-def]
    live = VisdomMonitor(port=running.port, env="live", every=1)
    for step in (1, 2, 3):
        live.guidegan_step_end(make_report(step))
    live.close()
    sent = replay(log, "http://127.0.0.1", running.port)
    replay(log, "http://127.0.0.1", running.port, "other")
    assert sent == len(log.read_text().splitlines())
    expected = without_identity(running.windows("live"))
    assert expected and without_identity(running.windows("run")) == expected == without_identity(
        running.windows("other")
    )


def test_a_line_a_killed_run_cut_off_is_passed_over(running, log: Path, caplog) -> None:  # type: ignore[no-untyped-def]
    whole = len(log.read_text().splitlines())
    with log.open("a") as file:
        file.write('["events", {"da')
    with caplog.at_level(logging.WARNING):
        assert replay(log, "http://127.0.0.1", running.port) == whole
    assert f"1 of {whole + 1} lines are torn (the first is line {whole + 1})" in caplog.text


def test_a_resumed_run_does_not_continue_the_line_a_killed_one_cut_off(log: Path, make_report, caplog) -> None:  # type: ignore[no-untyped-def]
    before = list(read_log(log))
    with log.open("ab") as file:
        file.write(b'["events", {"da\xc3')
    monitor = VisdomMonitor(env="run", offline=log, every=1)
    monitor.guidegan_step_end(make_report(4))
    monitor.close()
    with log.open("a") as file:
        file.write('["upd')
    messages = list(read_log(log))
    assert messages[: len(before)] == before and len(messages) == len(before) + 4
    assert [record.getMessage().partition(" lines")[0] for record in caplog.records] == [
        f"{log}: 2 of {len(messages) + 2}"
    ]


@pytest.mark.parametrize("text", ["", "x", '["delete_env", {}]\n["event", {}]', "[1]", "{}", '["events", "x"]\n\n'])
def test_a_file_that_is_no_log_is_refused_by_its_line(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "file").write_text(text)
    with pytest.raises(ConfigError, match=r"file.*change FILE"):
        replay(path, "http://127.0.0.1", 9)


def test_a_missing_file_and_a_missing_server_are_said(server, log: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere"):
        replay(log.parent / "nowhere", "http://127.0.0.1", server.port)
    with pytest.raises(ConfigError, match=f"python -m visdom.server -port {server.port} -bind_local"):
        replay(log, "http://127.0.0.1", server.port)


def test_what_cannot_be_is_refused_by_the_names_that_are_typed_here(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"found 99999; change --port$"):
        replay(log, "http://127.0.0.1", 99999)
    with pytest.raises(ConfigError, match=r"found 'localhost'; change --server, the port is --port$"):
        replay(log, "localhost", 8097)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^visdom is not installed; install it \([^)]*\)$"):
        replay(log, "http://127.0.0.1", 8097)


def test_a_log_is_read_line_by_line(tmp_path: Path) -> None:
    (path := tmp_path / "long.visdom").write_text('["events", {"win": "a"}]\n' * 100_000)
    read = read_log(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
