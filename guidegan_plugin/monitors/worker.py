"""A thread beside the training: it shows the frames there is room for, and the training waits for nothing."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from guidegan_plugin.monitors.frames import Frame

_log = logging.getLogger(__name__)

_FAILURES = (Exception, SystemExit)  # a thread that exits ends without a word
_PULSE = 0.2  # seconds after which an idle thread looks whether the worker was closed


class Screen(Protocol):
    """Where frames are shown; only a worker's thread calls a screen, never the training's."""

    def open(self) -> None:
        """Before the first frame; a subclass need not have it."""
        return

    def show(self, frame: Frame) -> None:
        """Show a frame."""

    def close(self) -> None:
        """After the last frame, also where the screen could not be opened; a subclass need not have it."""
        return


class Worker:
    """Shows frames on a screen in a daemon thread, which begins with the first frame.

    The end of the process closes the worker. The thread keeps the worker alive, so whoever owns the worker has to close
    it when the owner is forgotten.

    Args:
        screen: Where frames are shown. Where showing raises, the frame is lost; the first loss is a warning, the others
            are counted and told of at the end. A screen that cannot be opened is closed, and shows no frame.
        name: For messages.
        room: How many frames may wait; what comes while the queue is full is dropped.
        linger: How many seconds the end may wait for frames.
        cure: What to do about dropped frames, for the message at the end.

    Attributes:
        dropped: How many frames there was no room for.
    """

    def __init__(self, screen: Screen, name: str, room: int = 8, linger: float = 2.0, cure: str = "") -> None:
        self._screen, self._name, self._linger, self._cure = screen, name, linger, cure
        self._frames = queue.Queue[Callable[[], Frame]](room)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._over, self._closed = threading.Event(), False
        self.dropped = self._failed = 0

    def offer(self, take: Callable[[], Callable[[], Frame]]) -> None:
        """Take a frame and leave it for the thread if there is room for it; returns at once.

        Args:
            take: Begins to take a frame, here and now. What it returns is called in the thread, and may wait.
        """
        if self._over.is_set():
            return
        if self._frames.full():
            self.dropped += 1
            return
        try:
            frame = take()
        except _FAILURES as error:  # an odd report must not end the training, nor the monitor
            self._fail(error)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"guidegan {self._name}", daemon=True)
            atexit.register(self._end)
            self._thread.start()
        try:
            self._frames.put_nowait(frame)
        except queue.Full:  # only another producer can have been faster
            self.dropped += 1

    def close(self) -> None:
        """Show what is waiting, for ``linger`` seconds at most; twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._over.set()
        atexit.unregister(self._end)
        if os.getpid() != self._process:  # a forked child has no such thread
            return
        # The thread itself gets here where the garbage collector finds the owner there; it cannot wait for itself.
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._linger)
            with contextlib.suppress(queue.Empty):  # too late for what still waits
                while True:
                    self._frames.get_nowait()
        self._tell()

    def _end(self) -> None:
        """With the process: whoever presses Ctrl-C now does not want to wait, and the training is over."""
        with contextlib.suppress(KeyboardInterrupt):
            self.close()

    def _run(self) -> None:
        try:
            self._screen.open()
            # Exit handlers run last in, first out: what the screen's own package ends at exit must still be there.
            atexit.register(self._end)
            while (frame := self._next()) is not None:
                try:
                    self._screen.show(frame())
                except _FAILURES as error:
                    self._fail(error)
        except _FAILURES as error:  # whatever happens here, days of training must not die of it
            _log.warning("monitor %s stops: %s: %s", self._name, type(error).__name__, error)
        finally:
            self._over.set()
            with contextlib.suppress(*_FAILURES):
                self._screen.close()

    def _next(self) -> Callable[[], Frame] | None:
        """The frame that waits longest; None when there will be none."""
        while not (self._over.is_set() and self._frames.empty()):
            with contextlib.suppress(queue.Empty):
                return self._frames.get(timeout=_PULSE)
        return None

    def _fail(self, error: BaseException) -> None:
        """A frame is lost; one warning, since what fails once may fail with all."""
        self._failed += 1
        if self._failed == 1:
            _log.warning("monitor %s: a frame is not shown: %s: %s", self._name, type(error).__name__, error)

    def _tell(self) -> None:
        """At the end: what was lost."""
        if self.dropped:
            what = f"{self.dropped} of its frames were dropped, as they came faster than they could be shown"
            _log.warning("monitor %s: %s%s", self._name, what, self._cure and f"; {self._cure}")
        if self._failed > 1:
            _log.warning("monitor %s: %d of its frames could not be shown", self._name, self._failed)
