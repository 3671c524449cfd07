"""Results that are made while the ones before them are used: files are read while a network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Pillow and NumPy let other threads go on while they decode and convert. More threads would get in a network's way.
_THREADS = 2


def ahead(function: Callable[[Item], Result], items: Iterable[Item], waiting: int) -> Iterator[Result]:
    """``map``, in threads that go ahead of whom the results are for.

    Args:
        function: Of one item; what it raises comes at its item's turn.
        items: What it is called with.
        waiting: How many results may be under way or lie ready, which is what memory is needed for.

    Yields:
        The results, in the order of the items.
    """
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_THREADS, "reading") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > waiting:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for one in under_way:
                one.cancel()
