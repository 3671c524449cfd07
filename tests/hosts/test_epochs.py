"""How far a training is, in a host that marks its epochs at their end or at their start."""

from __future__ import annotations

import argparse

import pytest

from guidegan_plugin.hosts.junyanz.epochs import SAMPLES, EpochCounter


def counter(samples: int | None = 4) -> EpochCounter:
    return EpochCounter(argparse.Namespace(**({} if samples is None else {SAMPLES: samples})))


@pytest.mark.parametrize("at_the_start", [False, True])
@pytest.mark.parametrize("first", [1, 3])
def test_progress_rises_evenly_from_the_first_batch_to_the_last(at_the_start: bool, first: int) -> None:
    epochs, total, shares = counter(), 5, []
    for _ in range(first, total + 1):
        if at_the_start:
            epochs.mark()
        for _ in range(2):
            epochs.count(2)
            shares.append(epochs.progress(first, total, at_the_start))
        if not at_the_start:
            epochs.mark()
    begun = 2 * (first - 1)
    assert shares == pytest.approx([(begun + step) / 10 for step in range(1, 11 - begun)])


def test_where_an_epochs_length_is_unknown_whole_epochs_count() -> None:
    epochs = counter(None)
    epochs.count(1)
    assert epochs.progress(1, 4, False) == 0.25
    epochs.mark()
    assert epochs.progress(1, 4, False) == 0.5


def test_a_training_that_goes_on_past_its_end_stays_there() -> None:
    epochs = counter()
    epochs.count(9)
    assert epochs.progress(1, 1, False) == 1 and epochs.progress(7, 5, False) == 1
