"""The thread takes what there is room for and never holds up anybody."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from guidegan_plugin.monitors import worker as module
from guidegan_plugin.monitors.worker import Worker


class Job:
    """Notes what it is told; waits before each item while its gate is closed; fails with the items it is told to."""

    def __init__(self, *fails: int) -> None:
        self.seen: list[object] = []
        self.gate, self.busy, self.fails = threading.Event(), threading.Event(), fails
        self.threads: set[str] = set()

    def open(self) -> None:
        self.seen.append("open")

    def take(self, item: int) -> None:
        self.busy.set()
        assert self.gate.wait(10)
        if item in self.fails:
            raise OSError("disk full")
        self.seen.append(item)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.seen.append("close")


def give(worker: Worker[int], *items: int) -> None:
    for item in items:
        worker.offer(lambda item=item: item)


def test_items_are_taken_in_order_in_another_thread_and_close_waits_for_them() -> None:
    job = Job()
    job.gate.set()
    worker = Worker(job, "test")
    give(worker, 1, 2, 3)
    worker.close()
    worker.close()
    assert job.seen == ["open", 1, 2, 3, "close"] and job.threads == {"guidegan test"}


def test_a_full_queue_drops_items_unmade_and_counts_them() -> None:
    job, made = Job(), []
    worker = Worker(job, "test", room=2)
    give(worker, 0)
    assert job.busy.wait(10)
    for item in range(1, 6):
        worker.offer(lambda item=item: made.append(item) or item)
    assert made == [1, 2] and worker.dropped == 3
    job.gate.set()
    worker.close()
    assert job.seen == ["open", 0, 1, 2, "close"]


def test_closing_waits_only_so_long() -> None:
    job = Job()
    worker = Worker(job, "test", room=1, linger=0.2)
    give(worker, 0)
    assert job.busy.wait(10)
    give(worker, 1)
    before = time.monotonic()
    worker.close()
    assert time.monotonic() - before < 2
    job.gate.set()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_item_that_fails_is_one_warning_and_the_others_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    job = Job(1)
    job.gate.set()
    worker = Worker(job, "test")
    give(worker, 1, 2)
    worker.offer(lambda: 3)
    worker.close()
    assert messages(caplog) == ["monitor test: a frame is not shown: OSError: disk full"]
    assert job.seen == ["open", 2, 3, "close"]


def test_an_item_that_cannot_be_made_costs_neither_its_maker_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    job = Job()
    job.gate.set()
    worker = Worker(job, "test")
    worker.offer(lambda: int("odd"))
    give(worker, 2)
    worker.close()
    assert job.seen == ["open", 2, "close"] and len(messages(caplog)) == 1


def test_a_job_that_always_fails_is_one_warning_and_a_count_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    job = Job(0, 1, 2, 3, 4)
    job.gate.set()
    worker = Worker(job, "test")
    give(worker, *range(5))
    worker.close()
    assert messages(caplog) == [
        "monitor test: a frame is not shown: OSError: disk full",
        "monitor test: 5 of its frames could not be shown",
    ]


def test_a_job_that_cannot_be_opened_is_closed_and_takes_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job()
    monkeypatch.setattr(job, "open", lambda: 1 / 0)
    worker = Worker(job, "test")
    give(worker, 1)
    worker.close()
    assert job.seen == ["close"]
    assert messages(caplog) == ["monitor test stops: ZeroDivisionError: division by zero"]


def test_dropped_items_are_one_line_at_the_end_with_the_cure(caplog: pytest.LogCaptureFixture) -> None:
    job = Job()
    worker = Worker(job, "test", room=1, cure="raise it")
    give(worker, 0)
    assert job.busy.wait(10)
    give(worker, 1, 2, 3)
    assert not messages(caplog)
    job.gate.set()
    worker.close()
    worker.close()
    expected = "monitor test: 2 of its frames were dropped, as they came faster than they could be shown; raise it"
    assert messages(caplog) == [expected]


def test_a_worker_its_own_thread_forgets_takes_what_is_waiting_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PULSE", 0.05)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: failures.append(unraisable.exc_value))
    failures: list[object] = []
    held: list[Worker[int]] = []

    class Forgets(Job):
        def take(self, item: int) -> None:
            super().take(item)
            held.clear()  # what a garbage collection in this thread does to a cycle

    job = Forgets()
    held.append(Worker(job, "own"))
    give(held[0], 1, 2)
    job.gate.set()
    deadline = time.monotonic() + 10
    while "close" not in job.seen and time.monotonic() < deadline:
        time.sleep(0.02)
    assert job.seen == ["open", 1, 2, "close"] and not failures


def test_a_forgotten_worker_ends_its_thread() -> None:
    job = Job()
    job.gate.set()
    give(worker := Worker(job, "forgotten"), 1)
    del worker
    gc.collect()
    assert job.seen == ["open", 1, "close"]
    assert "guidegan forgotten" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_nobody_used_has_no_thread() -> None:
    Worker(Job(), "idle").close()
    assert "guidegan idle" not in {thread.name for thread in threading.enumerate()}


AT_EXIT = f"""
import sys, time
sys.path.insert(0, {str(Path(module.__file__).parent)!r})
from worker import Worker  # alone, because torch takes seconds to import
class Job:
    def open(self): pass
    def take(self, seconds): time.sleep(seconds); print("taken", seconds)
    def close(self): print("closed")
worker = Worker(Job(), "exit", linger=1.0)
for seconds in map(float, sys.argv[1:]):
    worker.offer(lambda: seconds)
time.sleep(0.2)
"""


def test_the_end_of_a_process_finishes_what_is_waiting_and_never_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EXIT, "0.3", "0.1"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "taken 0.3\ntaken 0.1\nclosed\n", "")
    hung = subprocess.run([sys.executable, "-c", AT_EXIT, "1000"], capture_output=True, text=True, timeout=30)
    assert (hung.returncode, hung.stdout, hung.stderr) == (0, "", "")
