"""How long jobs say how far they are; who shows it is not theirs to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Track(Protocol):
    """Passes items on, one by one, and may show how many have been."""

    def __call__(self, items: Iterable[Item], about: str, total: int | None = None) -> Iterator[Item]:
        """Pass items on.

        Args:
            items: Of the job.
            about: What is done to them, in a word or two.
            total: How many there are, where ``len`` does not say.
        """


def silently(items: Iterable[Item], about: str, total: int | None = None) -> Iterator[Item]:
    """A :class:`Track` that shows nothing."""
    yield from items
