"""The thread takes what there is room for and never holds up anybody."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from guidegan_plugin.monitors import worker as module
from guidegan_plugin.monitors.worker import Worker


class Job:
    """Notes what it is told; waits before each item while its gate is closed."""

    def __init__(self, fails: bool = False) -> None:
        self.seen: list[object] = []
        self.gate, self.busy, self.fails = threading.Event(), threading.Event(), fails
        self.threads: set[str] = set()

    def open(self) -> None:
        self.seen.append("open")

    def take(self, item: int) -> None:
        self.busy.set()
        assert self.gate.wait(10)
        if self.fails:
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


def test_an_exception_is_one_warning_and_the_end(caplog: pytest.LogCaptureFixture) -> None:
    job = Job(fails=True)
    worker = Worker(job, "test")
    with caplog.at_level(logging.WARNING):
        give(worker, 1, 2)
        job.gate.set()
        worker.close()
        give(worker, 3)
    assert [record.getMessage() for record in caplog.records] == ["monitor test stops: OSError: disk full"]
    assert job.seen == ["open", "close"] and worker.dropped == 0


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
