"""Every so many steps a frame goes out; the first process reports, alone."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.reports import EpochReport
from guidegan_plugin.monitors import live
from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.live import LiveMonitor, require


class Screen:
    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.gate, self.closed = threading.Event(), threading.Event()
        self.gate.set()

    def open(self) -> None:
        pass

    def show(self, frame: Frame) -> None:
        assert self.gate.wait(10)
        self.frames.append(frame)

    def close(self) -> None:
        self.closed.set()


class Recorder(LiveMonitor):
    name: ClassVar[str] = "recorder"


def test_the_first_step_is_shown_and_then_every_so_many(make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=5)
    for step in range(1, 12):
        monitor.guidegan_step_end(make_report(step))
    monitor.close()
    assert [frame.step for frame in screen.frames] == [1, 5, 10]


def test_losses_all_pairs_report_are_shown_once_a_step(make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=1)
    for step in (1, 2):
        for pair in "AB":
            monitor.guidegan_step_end(make_report(step, pair))
    monitor.close()
    assert [(frame.step, frame.pair, "losses" in frame.curves) for frame in screen.frames] == [
        (1, "A", True),
        (1, "B", False),
        (2, "A", True),
        (2, "B", False),
    ]


def test_the_share_of_first_visits_is_a_point_an_epoch(make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=100)
    for step in range(2, 8):
        monitor.guidegan_step_end(make_report(step))
    monitor.guidegan_epoch_end(EpochReport("A", 1, {"never_visited": 0.75}))
    monitor.guidegan_epoch_end(EpochReport("A", 2, {}))
    monitor.close()
    assert [(frame.step, frame.curves, frame.pictures) for frame in screen.frames] == [
        (7, {"never_visited": {"A": 0.75}}, {})
    ]


def test_how_many_batches_were_bound_read_and_judged_is_shown_once_an_epoch(make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=100)
    monitor.guidegan_step_end(make_report(5))
    monitor.guidegan_epoch_end(EpochReport("A", 1, {"bound": 5.0, "read": 5.0, "judged": 4.0, "visits": 8.0}))
    monitor.close()
    assert [(frame.step, frame.curves) for frame in screen.frames] == [
        (5, {"guided": {"A bound": 5.0, "A read": 5.0, "A judged": 4.0}})
    ]


def test_a_screen_that_hangs_costs_frames_and_not_time(make_report, caplog) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=1)
    screen.gate.clear()
    for step in range(1, 31):
        monitor.guidegan_step_end(make_report(step))  # would time out here
    assert monitor.dropped > 15
    screen.gate.set()
    monitor.close()
    assert len(screen.frames) == 30 - monitor.dropped
    assert "raise --guide_monitor_freq" in caplog.text


def test_a_forgotten_monitor_ends_its_thread(make_report) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=1)
    monitor.guidegan_step_end(make_report(1))
    del monitor
    gc.collect()
    assert [frame.step for frame in screen.frames] == [1] and screen.closed.is_set()
    assert "guidegan recorder" not in {thread.name for thread in threading.enumerate()}


def test_a_monitor_its_own_thread_forgets_shows_what_is_waiting_and_ends(  # type: ignore[no-untyped-def]
    make_report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: failures.append(unraisable.exc_value))
    failures: list[object] = []
    held: list[Recorder] = []

    class Forgets(Screen):
        def show(self, frame: Frame) -> None:
            super().show(frame)
            held.clear()  # what a garbage collection in this thread does to a cycle

    screen = Forgets()
    screen.gate.clear()
    held.append(Recorder(screen, every=1))
    for step in (1, 2):
        held[0].guidegan_step_end(make_report(step))
    screen.gate.set()
    assert screen.closed.wait(10)
    assert [frame.step for frame in screen.frames] == [1, 2] and not failures


def test_other_ranks_report_nothing(make_report, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(live, "is_first_rank", lambda: False)
    monitor = Recorder(screen := Screen(), every=1)
    monitor.guidegan_step_end(make_report())
    monitor.guidegan_epoch_end(EpochReport("A", 1, {"never_visited": 1.0}))
    monitor.close()
    assert screen.frames == []


def test_a_frequency_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"every: expected a number of steps from 1, found 0; .*--guide_monitor_freq"):
        Recorder(Screen(), every=0)


def test_a_folder_of_logs_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb_logs").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"wandb_logs is not installed; .* leave out --guide_wandb_logs"):
        require("wandb_logs")


@pytest.mark.parametrize(
    ("package", "option", "command"),
    [
        ("wandb", "", "(pip install wandb)"),
        ("visdom", "visdom_offline", "PIP_BUILD_CONSTRAINT=c.txt pip install visdom"),
    ],
)
def test_a_package_that_is_lacking_is_named_with_the_command_that_installs_it_and_the_option_that_asked(
    monkeypatch: pytest.MonkeyPatch, package: str, option: str, command: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="is not installed") as caught:
        require(package, option)
    said = str(caught.value)
    assert command in said and said.endswith(f"--guide_{option or package}") and "\n" not in said


def test_an_odd_report_costs_its_own_frame_alone(make_report, caplog) -> None:  # type: ignore[no-untyped-def]
    monitor = Recorder(screen := Screen(), every=1)
    monitor.guidegan_step_end(make_report(1, output=None))
    monitor.guidegan_step_end(make_report(2))
    monitor.close()
    assert [frame.step for frame in screen.frames] == [2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
