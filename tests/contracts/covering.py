"""Of all combinations of some parameters, a few in which each value meets each value of every other parameter.

``make test`` runs these, and ``make check`` of them so many that each value is there. ``make full`` runs all
combinations: it sets ``GUIDEGAN_FULL``.
"""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Hashable, Iterable
from typing import TypeVar

Case = TypeVar("Case", bound=tuple[Hashable, ...])
FULL = bool(os.environ.get("GUIDEGAN_FULL"))


def groups(case: tuple[Hashable, ...], size: int = 2) -> set[tuple[tuple[int, Hashable], ...]]:
    """Every so many values of a case, each with its parameter's place."""
    return set(itertools.combinations(enumerate(case), size))


def covering(cases: Iterable[Case], full: bool = FULL, size: int = 2) -> list[Case]:
    """Cases in which every two values meet that meet in any; all cases with ``full``.

    Three parameters need about as many cases as the longest two have combinations, however many values the third has.

    Args:
        cases: Tuples of one value a parameter, each tuple once.
        full: Whether all are wanted.
        size: How many values have to meet; 1 for each by itself.

    Returns:
        Some of the cases, in the order given.
    """
    given = list(cases)
    if full:
        return given
    places: list[dict[Hashable, int]] = [
        {value: place for place, value in enumerate(dict.fromkeys(column))} for column in zip(*given, strict=True)
    ]
    fewest = min(map(len, places), default=1)

    def off(case: Case) -> int:
        return sum(place[value] for place, value in zip(places, case, strict=True)) % fewest

    # The case with the most new groups is next. What a case would add only shrinks: the first that is up to date is it.
    unmet = [groups(case, size) for case in given]
    waiting = [(-len(found), off(given[number]), number) for number, found in enumerate(unmet)]
    heapq.heapify(waiting)
    met: set[tuple[tuple[int, Hashable], ...]] = set()
    kept = []
    while waiting:
        size, turn, number = heapq.heappop(waiting)
        unmet[number] -= met
        if len(unmet[number]) == -size:
            met |= unmet[number]
            kept.append(number)
        elif unmet[number]:
            heapq.heappush(waiting, (-len(unmet[number]), turn, number))
    return [given[number] for number in sorted(kept)]
