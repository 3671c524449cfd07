"""How far a training is, in a host that marks its epochs at their end or at their start."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from guidegan_plugin.hosts.junyanz.codebase import Codebase
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
            shares.append(epochs.progress(first, total))
        if not at_the_start:
            epochs.mark()
    begun = 2 * (first - 1)
    assert shares == pytest.approx([(begun + step) / 10 for step in range(1, 11 - begun)])


def test_where_an_epochs_length_is_unknown_whole_epochs_count() -> None:
    epochs = counter(None)
    epochs.count(1)
    assert epochs.progress(1, 4) == 0.25
    epochs.mark()
    assert epochs.progress(1, 4) == 0.5


def test_a_training_that_goes_on_past_its_end_stays_there() -> None:
    epochs = counter()
    epochs.count(9)
    assert epochs.progress(1, 1) == 1 and epochs.progress(7, 5) == 1


def run(epochs: EpochCounter, count: int, at_the_start: bool, batches: int = 2) -> list[tuple[int, bool]]:
    """Train; what a save at the end of each epoch, before a mark there, would say: epochs completed, a step due."""
    said = []
    for _ in range(count):
        if at_the_start:
            epochs.mark()
        for _ in range(batches):
            epochs.count(2)
        said.append((epochs.completed("latest"), epochs.step_is_due))
        if not at_the_start:
            epochs.mark()
    return said


@pytest.mark.parametrize("at_the_start", [False, True])
def test_where_the_host_marks_is_observed_and_no_epoch_is_lost_or_counted_twice(at_the_start: bool) -> None:
    epochs = counter()
    assert run(epochs, 3, at_the_start) == [(number, not at_the_start) for number in (1, 2, 3)]
    if at_the_start:
        epochs.mark()
    assert epochs.completed() == 3 and not epochs.step_is_due, "between epochs"
    epochs.count(2)
    assert epochs.completed() == 3 and not epochs.step_is_due, "within one"


def test_a_last_batch_that_the_loader_drops_is_not_waited_for() -> None:
    assert run(counter(5), 2, at_the_start=False) == [(1, True), (2, True)]


@pytest.mark.parametrize(("may_drop", "after_8"), [(False, 0), (True, 1)])
def test_8_of_10_samples_are_a_first_epoch_only_where_the_loader_may_drop_the_last_2(
    may_drop: bool, after_8: int
) -> None:
    epochs = EpochCounter(argparse.Namespace(**{SAMPLES: 10}), may_drop)
    said = []
    for samples in (4, 4, 2):
        epochs.count(samples)
        said.append(epochs.completed("latest"))
    assert said == [0, after_8, 1]


@pytest.mark.parametrize(("loader", "drops"), [("DataLoader(x)", False), ("DataLoader(x, drop_last=True)", True)])
def test_whether_a_host_may_drop_a_batch_is_read_off_its_loader(tmp_path: Path, loader: str, drops: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text(loader)
    assert Codebase(tmp_path, "classic").may_drop_batches == drops
    assert Codebase(tmp_path / "none", "classic").may_drop_batches


def test_where_an_epochs_length_is_unknown_the_checkpoints_number_tells_and_later_the_first_epoch() -> None:
    epochs = counter(None)
    for _ in range(2):
        epochs.count(2)
    assert epochs.completed("latest") == 0 and epochs.completed(1) == 1 and epochs.completed(5000) == 0
    epochs.mark()
    epochs.count(2)
    assert epochs.completed("latest") == 1
    epochs.count(2)
    assert epochs.completed("latest") == 2


def test_a_larger_batch_of_a_validation_in_the_middle_of_an_epoch_completes_nothing() -> None:
    counter = EpochCounter(argparse.Namespace(guide_samples=100))
    counter.mark()
    for samples in (*[1] * 30, 50, -50, *[1] * 25):
        counter.count(samples)
    assert counter.seen == 55 and counter.completed("latest") == 0
