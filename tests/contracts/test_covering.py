"""Of a product of parameters, `make test` runs a part in which every two values meet."""

from __future__ import annotations

import itertools

import pytest
from covering import covering, groups


@pytest.mark.parametrize("sizes", [(45, 9, 6), (4, 2, 2, 2, 2), (3, 1), (5,), ()])
def test_every_two_values_that_meet_in_any_case_meet_in_one_that_is_kept(sizes: tuple[int, ...]) -> None:
    every = list(itertools.product(*map(range, sizes)))
    for cases in (every, [case for case in every if sum(case) % 5], [case for case in every if case[:2] != (0, 0)]):
        kept = covering(cases, full=False)
        assert {group for case in kept for group in groups(case)} == {group for case in cases for group in groups(case)}
        assert [case for case in cases if case in set(kept)] == kept, "in the order given"


def test_each_value_by_itself_needs_as_many_cases_as_the_longest_parameter_has_values() -> None:
    every = list(itertools.product(range(45), range(9), range(6)))
    kept = covering(every, full=False, size=1)
    assert len(kept) == 45 and all(
        {*column} == {*range(n)} for column, n in zip(zip(*kept, strict=True), (45, 9, 6), strict=True)
    )


def test_three_parameters_need_no_more_cases_than_the_longest_two_have_combinations() -> None:
    assert len(covering(itertools.product(range(45), range(9), range(6)), full=False)) == 45 * 9


def test_all_of_them_run_where_that_is_asked_for() -> None:
    every = list(itertools.product(range(3), range(3), range(3)))
    assert covering(every, full=True) == every
