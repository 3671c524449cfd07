"""The thread takes what there is room for and never holds up anybody."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from guidegan_plugin.monitors.worker import Worker


class Screen:
    """Notes what it is told; waits before each item while its gate is closed; fails with the items it is told to."""

    def __init__(self, *fails: int) -> None:
        self.seen: list[object] = []
        self.gate, self.busy, self.fails = threading.Event(), threading.Event(), fails
        self.threads: set[str] = set()

    def open(self) -> None:
        self.seen.append("open")

    def show(self, item: int) -> None:
        self.busy.set()
        assert self.gate.wait(10)
        if item in self.fails:
            raise OSError("disk full")
        self.seen.append(item)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.seen.append("close")


def give(worker: Worker, *items: int) -> None:
    for item in items:
        worker.offer(lambda item=item: lambda: item)


def test_items_are_taken_in_order_in_another_thread_and_close_waits_for_them() -> None:
    screen = Screen()
    screen.gate.set()
    worker = Worker(screen, "test")
    give(worker, 1, 2, 3)
    worker.close()
    worker.close()
    assert screen.seen == ["open", 1, 2, 3, "close"] and screen.threads == {"guidegan test"}


def test_a_full_queue_drops_items_unmade_and_counts_them() -> None:
    screen, made = Screen(), []
    worker = Worker(screen, "test", room=2)
    give(worker, 0)
    assert screen.busy.wait(10)
    for item in range(1, 6):
        worker.offer(lambda item=item: made.append(item) or (lambda: item))
    assert made == [1, 2] and worker.dropped == 3
    screen.gate.set()
    worker.close()
    assert screen.seen == ["open", 0, 1, 2, "close"]


def test_closing_waits_only_so_long() -> None:
    screen = Screen()
    worker = Worker(screen, "test", room=1, linger=0.2)
    give(worker, 0)
    assert screen.busy.wait(10)
    give(worker, 1)
    before = time.monotonic()
    worker.close()
    assert time.monotonic() - before < 2
    screen.gate.set()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_item_that_fails_is_one_warning_and_the_others_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen(1)
    screen.gate.set()
    worker = Worker(screen, "test")
    give(worker, 1, 2)
    worker.offer(lambda: lambda: 3)
    worker.close()
    assert messages(caplog) == ["monitor test: a frame is not shown: OSError: disk full"]
    assert screen.seen == ["open", 2, 3, "close"]


def test_an_item_that_cannot_be_made_costs_neither_its_maker_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen()
    screen.gate.set()
    worker = Worker(screen, "test")
    worker.offer(lambda: int("odd"))
    give(worker, 2)
    worker.close()
    assert screen.seen == ["open", 2, "close"] and len(messages(caplog)) == 1


def test_a_screen_that_exits_is_told_of_like_any_that_fails(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(screen, "show", sys.exit)
    worker = Worker(screen, "test")
    give(worker, 1)
    worker.close()
    assert messages(caplog) == ["monitor test: a frame is not shown: SystemExit: 1"]


def test_a_screen_that_always_fails_is_one_warning_and_a_count_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen(0, 1, 2, 3, 4)
    screen.gate.set()
    worker = Worker(screen, "test")
    give(worker, *range(5))
    worker.close()
    assert messages(caplog) == [
        "monitor test: a frame is not shown: OSError: disk full",
        "monitor test: 5 of its frames could not be shown",
    ]


def test_a_screen_that_cannot_be_opened_is_closed_and_takes_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(screen, "open", lambda: 1 / 0)
    worker = Worker(screen, "test")
    give(worker, 1)
    worker.close()
    assert screen.seen == ["close"]
    assert messages(caplog) == ["monitor test stops: ZeroDivisionError: division by zero"]


def test_dropped_items_are_one_line_at_the_end_with_the_cure(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen()
    worker = Worker(screen, "test", room=1, cure="raise it")
    give(worker, 0)
    assert screen.busy.wait(10)
    give(worker, 1, 2, 3)
    assert not messages(caplog)
    screen.gate.set()
    worker.close()
    worker.close()
    expected = "monitor test: 2 of its frames were dropped, as they came faster than they could be shown; raise it"
    assert messages(caplog) == [expected]


def test_a_worker_nobody_used_has_no_thread() -> None:
    Worker(Screen(), "idle").close()
    assert "guidegan idle" not in {thread.name for thread in threading.enumerate()}


AT_EXIT = """
import sys, time
from guidegan_plugin.monitors.worker import Worker
class Screen:
    def open(self): pass
    def show(self, seconds): time.sleep(seconds); print("taken", seconds)
    def close(self): print("closed")
worker = Worker(Screen(), "exit", linger=1.0)
for seconds in map(float, sys.argv[1:]):
    worker.offer(lambda seconds=seconds: lambda: seconds)
time.sleep(0.2)
"""


CTRL_C = (
    f"import atexit, signal\n{AT_EXIT}"
    + """
while not worker._frames.empty():  # its thread has not begun
    time.sleep(0.01)
signal.signal(signal.SIGALRM, signal.default_int_handler)
atexit.register(signal.setitimer, signal.ITIMER_REAL, 0.3)
"""
)


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_at_the_end_of_a_process_without_a_word() -> None:
    code = CTRL_C.replace("linger=1.0", "linger=200.0")
    ended = subprocess.run([sys.executable, "-c", code, "1000"], capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_end_of_a_process_finishes_what_is_waiting_and_never_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EXIT, "0.3", "0.1"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "taken 0.3\ntaken 0.1\nclosed\n", "")
    hung = subprocess.run([sys.executable, "-c", AT_EXIT, "1000"], capture_output=True, text=True, timeout=300)
    assert (hung.returncode, hung.stdout, hung.stderr) == (0, "", "")
