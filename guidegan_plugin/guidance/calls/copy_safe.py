"""Hooks that do no harm when the module they sit on is copied or pickled.

``copy.deepcopy`` of a network (EMA) copies a bound-method hook *and the object behind it*: a store, a guide. Ours are
replaced by their stand-in instead, so a copy neither reads nor writes the memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import nn


def ignore(*_: object) -> None:
    """The stand-in of a hook that only listens."""


def _itself(stand_in: Callable[..., Any]) -> Callable[..., Any]:
    return stand_in


class Hook(functools.partial[Any]):
    """A hook that acts only on the module it was registered on; being a ``partial``, a call of it costs no frame.

    Args:
        act: Called as the hook.
        stand_in: Takes its place in copies and pickles of the module; must be picklable.
    """

    _stand_in: Callable[..., Any]

    def __new__(cls, act: Callable[..., Any], stand_in: Callable[..., Any] = ignore) -> Hook:
        hook = super().__new__(cls, act)
        hook._stand_in = stand_in
        return hook

    def __deepcopy__(self, memo: dict[int, object]) -> Callable[..., Any]:
        return self._stand_in

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Callable[..., Any]]]:
        return _itself, (self._stand_in,)


def forget_ignored(module: nn.Module) -> None:
    """Remove what a copied module carries in place of hooks that only listened."""
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for number in [number for number, hook in hooks.items() if hook is ignore]:
            del hooks[number]
