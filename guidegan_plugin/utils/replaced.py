"""An attribute of a module or a class that is another one for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, by: Callable[[Any], Any]) -> Iterator[None]:
    """While it lasts, an attribute of a module or a class is another one.

    Args:
        owner: The module or the class.
        name: Of its attribute.
        by: From the attribute, None where there is none, to what stands in its place.
    """
    kept = {name: vars(owner)[name]} if name in vars(owner) else {}
    # A module is not asked for what it has not: some warn of names they have dropped.
    own = getattr(owner, name, None) if kept or isinstance(owner, type) else None
    setattr(owner, name, by(own))
    try:
        yield
    finally:
        if kept:
            setattr(owner, name, kept[name])
        else:  # inherited, or nowhere
            delattr(owner, name)
