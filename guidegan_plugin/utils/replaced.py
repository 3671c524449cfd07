"""A function that is another one for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, a function of a module or a class is another one.

    Args:
        owner: The module or the class.
        name: Of its function.
        by: From the function itself to what stands in its place.
    """
    own = getattr(owner, name)
    inherited = name not in vars(owner)
    setattr(owner, name, by(own))
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
