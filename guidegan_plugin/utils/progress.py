"""How long jobs say how far they are: a bar of tqdm's, once a command has asked for bars."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# Of a context, so that the threads of a library's user, which begin with none, stay silent.
_shown: ContextVar[bool] = ContextVar("shown", default=False)


def show_progress(wanted: bool) -> None:
    """Say whether long jobs of this thread show bars on standard error; at first they do not."""
    _shown.set(wanted)


def progress(items: Iterable[Item], about: str, total: int | None = None) -> Iterable[Item]:
    """Pass items on, one by one, and show how many have been where bars are wanted.

    Args:
        items: Of the job.
        about: What is done to them, in a word or two.
        total: How many there are, where ``len`` does not say.
    """
    bar: Iterable[Item] = tqdm(items, about, total, leave=False, disable=not _shown.get())
    return bar
