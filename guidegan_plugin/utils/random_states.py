"""The states of the generators of random numbers: Python's, NumPy's and torch's (CPU)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_state() -> tuple[Any, ...]:
    """The state of every generator a transform may draw from: Python's, NumPy's and torch's (CPU)."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_random_state(state: tuple[Any, ...]) -> None:
    """Go back to a :func:`random_state`."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])


@contextmanager
def rewound(state: tuple[Any, ...]) -> Iterator[None]:
    """Draw again from a former state; afterwards everything is as if nothing had been drawn."""
    now = random_state()
    set_random_state(state)
    try:
        yield
    finally:
        set_random_state(now)
