"""A thread beside the training: it takes what there is room for, and the training waits for nothing."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

_log = logging.getLogger(__name__)

_PULSE = 1.0  # seconds after which an idle thread looks whether all is over without anybody having woken it

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)


class Job(Protocol[Taken]):
    """What is done with items; all of it runs in the worker's thread."""

    def open(self) -> None:
        """Before the first item."""

    def take(self, item: Taken) -> None:
        """With each item."""

    def close(self) -> None:
        """After the last one, also when an item failed."""


@dataclass(eq=False)
class _Desk(Generic[Item]):
    """What the worker and its thread share; the thread must not hold the worker, or nobody could forget it."""

    job: Job[Item]
    name: str
    items: queue.Queue[Item | None]
    linger: float
    process: int = field(default_factory=os.getpid)
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    cure: str = ""
    dropped: int = 0
    failed: int = 0

    def fail(self, error: Exception) -> None:
        """An item is lost; one warning, since what fails once may fail with all."""
        self.failed += 1
        if self.failed == 1:
            _log.warning("monitor %s: a frame is not shown: %s: %s", self.name, type(error).__name__, error)

    def tell(self) -> None:
        """At the end: what was lost."""
        if self.dropped:
            what = f"{self.dropped} of its frames were dropped, as they came faster than they could be shown"
            _log.warning("monitor %s: %s%s", self.name, what, self.cure and f"; {self.cure}")
        if self.failed > 1:
            _log.warning("monitor %s: %d of its frames could not be shown", self.name, self.failed)


class Worker(Generic[Item]):
    """Hands items to a job in a daemon thread, which begins with the first item.

    Whoever forgets the worker, or ends the process, lets it finish for at most ``linger`` seconds.

    Args:
        job: What is done with items. Where it raises, the item is lost; the first one is a warning, the others are
            counted and told of at the end. One that cannot be opened is closed, and no item is taken.
        name: For messages.
        room: So many items may wait; what comes while it is full is dropped.
        linger: Seconds.
        cure: What to do about dropped items, for a message at the end.
    """

    def __init__(self, job: Job[Item], name: str, room: int = 8, linger: float = 2.0, cure: str = "") -> None:
        self._desk = _Desk(job, name, queue.Queue[Item | None](room), linger, cure=cure)
        self._end = weakref.finalize(self, _finish, self._desk)
        self._end.atexit = False  # registered in time, below

    @property
    def dropped(self) -> int:
        """Items there was no room for."""
        return self._desk.dropped

    def offer(self, make: Callable[[], Item]) -> None:
        """Make an item and leave it for the thread if there is room for it; returns at once."""
        if self._desk.over.is_set():
            return
        if self._desk.items.full():
            self._desk.dropped += 1
            return
        try:
            item = make()
        except Exception as error:  # an odd report must not end the training, nor the monitor
            self._desk.fail(error)
            return
        if self._desk.thread is None:
            self._desk.thread = threading.Thread(
                target=_work, args=(self._desk, self._end), name=f"guidegan {self._desk.name}", daemon=True
            )
            atexit.register(self._end)
            self._desk.thread.start()
        try:
            self._desk.items.put_nowait(item)
        except queue.Full:  # only another producer can have been faster
            self._desk.dropped += 1

    def close(self) -> None:
        """Finish what is waiting, for ``linger`` seconds at most; twice is fine."""
        self._end()


def _work(desk: _Desk[Item], end: Callable[[], object]) -> None:
    try:
        desk.job.open()
        # Exit handlers run last in, first out: what the job's own package ends at exit must still be there.
        atexit.register(end)
        while (item := _next(desk)) is not None:
            try:
                desk.job.take(item)
            except Exception as error:
                desk.fail(error)
    except Exception as error:  # whatever happens here, days of training must not die of it
        _log.warning("monitor %s stops: %s: %s", desk.name, type(error).__name__, error)
    finally:
        desk.over.set()
        with contextlib.suppress(Exception):
            desk.job.close()


def _next(desk: _Desk[Item]) -> Item | None:
    """The item that waits longest; None when there will be none."""
    while not (desk.over.is_set() and desk.items.empty()):
        with contextlib.suppress(queue.Empty):
            return desk.items.get(timeout=_PULSE)
    return None


def _finish(desk: _Desk[Item]) -> None:
    desk.over.set()
    if os.getpid() != desk.process:  # a forked child has no such thread
        return
    if desk.thread is not None and desk.thread is not threading.current_thread():
        _wait(desk)
    desk.tell()


def _wait(desk: _Desk[Item]) -> None:
    """Until the thread has ended, or ``linger`` is over. In itself, where a collected cycle may end us, it cannot."""
    if desk.thread is None:
        return
    deadline = time.monotonic() + desk.linger
    try:
        desk.items.put(None, timeout=desk.linger)
    except queue.Full:
        with contextlib.suppress(queue.Empty):
            while True:
                desk.items.get_nowait()
        desk.items.put_nowait(None)
    desk.thread.join(max(0.0, deadline - time.monotonic()))
