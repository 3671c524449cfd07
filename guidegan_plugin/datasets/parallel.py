"""Many small tasks in several processes, in order, and none left running when the caller stops."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from guidegan_plugin.errors import ConfigError, GuideError

Item = TypeVar("Item")
Result = TypeVar("Result")

# How many tasks a worker takes at a time: enough to be worth a message, few enough to stop soon.
_CHUNK = 16


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes that cannot work.

    Raises:
        ConfigError: It is below 1.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"`workers` expected to be at least 1, got {workers}; change `workers` (--workers)")


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | None, items_per_worker: int
) -> Generator[Result, None, None]:
    """Call a function on items in worker processes; close the generator to stop early.

    Args:
        function: Of a module's top level, so that a worker process can be sent it.
        items: What it is called with.
        workers: How many processes. 1 calls in this process; None takes one a CPU, and fewer for few items. Other
            processes import the calling script, which therefore needs its `if __name__ == "__main__"`.
        items_per_worker: For `workers` None: a worker imports the package before its first item; below this many
            items it costs more than it saves.

    Yields:
        The results, in the order of the items.

    Raises:
        ConfigError: `workers` is below 1.
        GuideError: A worker process died.
    """
    if workers is None:
        workers = min(os.cpu_count() or 1, 1 + len(items) // items_per_worker)
    check_workers(workers)
    if workers == 1:
        yield from map(function, items)
        return
    # Forking a process in which torch runs threads may deadlock: spawn.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_become_worker)
    try:
        with _ctrl_c_ignored():
            results = pool.map(function, items, chunksize=_CHUNK)
        yield from results
    except BrokenProcessPool as error:
        raise GuideError(
            'a worker process died; guard the calling script with `if __name__ == "__main__"`, '
            "or set `workers` to 1 (--workers 1)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all, from their first import on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set it
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _become_worker() -> None:
    """Leave Ctrl-C to the parent where it was not inherited that way; end when the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
