"""The host's random numbers: states of Python's, NumPy's and torch's generators (CPU), and networks made without."""

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


@contextmanager
def networks_of_our_own() -> Iterator[None]:
    """While it lasts, networks are made on the CPU and in float32, and their weights are none of the host's numbers.

    A host may have set another default device, whose random numbers are then the host's, or another default type.
    """
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
