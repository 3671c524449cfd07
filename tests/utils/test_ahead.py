"""Results are made ahead of their turn: in order, not too many at once, and errors at their turn."""

from __future__ import annotations

import threading

import pytest

from guidegan_plugin.utils.ahead import ahead


def test_results_come_in_the_order_of_the_items_and_are_those_of_map() -> None:
    assert list(ahead(lambda number: number * number, range(50), 4)) == [number * number for number in range(50)]
    assert list(ahead(str, [], 4)) == []


def test_what_comes_next_is_made_while_the_result_before_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        made[number].set()
        return number

    results = ahead(make, range(3), 2)
    assert next(results) == 0
    assert all(event.wait(10) for event in made)


def test_no_more_results_lie_ready_than_asked_for() -> None:
    made: list[int] = []
    results = ahead(made.append, range(100), 3)
    for used in range(20):
        next(results)
        assert len(made) <= used + 1 + 3
    results.close()  # type: ignore[attr-defined]
    assert len(made) <= 20 + 3


def test_an_error_comes_at_its_items_turn_and_ends_the_threads() -> None:
    def half(number: int) -> float:
        return 1 / (3 - number)

    results = ahead(half, range(10), 8)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]
