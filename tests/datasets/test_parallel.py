from __future__ import annotations

import os
import signal

import pytest

from guidegan_plugin.datasets.parallel import in_parallel
from guidegan_plugin.errors import GuideError


def test_workers_ignore_ctrl_c_and_this_process_does_not() -> None:
    former = signal.getsignal(signal.SIGINT)
    handlers = set(in_parallel(signal.getsignal, [signal.SIGINT] * 3, workers=2, items_per_worker=1))
    assert handlers == {signal.SIG_IGN}
    assert signal.getsignal(signal.SIGINT) == former


def test_a_worker_that_dies_ends_in_one_line() -> None:
    with pytest.raises(GuideError, match=r"a worker process died; .* \(--workers 1\)"):
        list(in_parallel(os._exit, [1], workers=2, items_per_worker=1))


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_parallel(abs, [-3, 2, -1], workers=None, items_per_worker=500)) == [3, 2, 1]
