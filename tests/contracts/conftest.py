"""Every call pattern, and what torch warns of in some of them."""

from __future__ import annotations

import pytest
from call_patterns import ALL, SLOW, Pattern


@pytest.fixture(
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW), id=kind.__name__) for kind in ALL]
)
def pattern(request: pytest.FixtureRequest) -> Pattern:
    made: Pattern = request.param()
    return made
