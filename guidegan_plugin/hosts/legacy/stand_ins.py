"""The table of stand-ins, and a run with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from guidegan_plugin.hosts.legacy.dropped_calls import DROPPED
from guidegan_plugin.hosts.legacy.old_writers import WRITERS
from guidegan_plugin.hosts.legacy.scipy_misc import SCIPY_MISC
from guidegan_plugin.hosts.legacy.stand_in import StandIn
from guidegan_plugin.hosts.legacy.without_gpu import WITHOUT_GPU, WithoutGpu

STAND_INS: tuple[StandIn, ...] = (*DROPPED, SCIPY_MISC, *WRITERS, *WITHOUT_GPU)


def rows_for(cpu_option: str | None = None) -> tuple[StandIn, ...]:
    """The rows for a host: one that runs without a GPU of its own accord gets no stand-in for a GPU.

    Args:
        cpu_option: As :attr:`guidegan_plugin.plugins.host.Host.cpu_option`.
    """
    return tuple(row for row in STAND_INS if cpu_option is None or not isinstance(row, WithoutGpu))


@contextmanager
def stand_ins(cpu_option: str | None = None) -> Iterator[None]:
    """Within, what is lacking of the table is there; afterwards, also after an exception, all is as before.

    Args:
        cpu_option: As in :func:`rows_for`.
    """
    with ExitStack() as run:
        for stand_in in rows_for(cpu_option):
            stand_in.put(run)
        yield
