"""Which of several processes saw each image last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from guidegan_plugin.guidance.memory.columns import Columns
from guidegan_plugin.guidance.memory.storage import Rows


@dataclass(frozen=True)
class Newest:
    """What all processes together tell of each image that one of them saw.

    Attributes:
        rows: ``(N,)``, of the images.
        sources: ``(N,)``, where the newest map of each is told, counted through all that is told; ascending.
        stamps: ``(N,)``, when it was written.
        visits: ``(N,)``, visits of all processes together.
    """

    rows: Rows
    sources: Rows
    stamps: npt.NDArray[np.int64]
    visits: npt.NDArray[np.int64]


def newest(changes: Sequence[Mapping[str, Tensor]], rows: Sequence[Rows], count: int) -> Newest:
    """Find the newest map of each image, the lower rank's where two are equally new.

    Args:
        changes: ``AttentionStore.changes()`` in rank order.
        rows: A rank's rows: which image each of the rank's changes is of, none twice.
        count: Greater than all rows.
    """
    stamps, sources, visits = (np.full(count, value, dtype=np.int64) for value in (-1, 0, 0))
    first = 0
    for tensors, own in zip(changes, rows, strict=True):
        told = tensors["stamps"].numpy()
        newer = np.flatnonzero(told > stamps[own])
        stamps[own[newer]] = told[newer]
        sources[own[newer]] = first + newer
        visits[own] += tensors["visits"].numpy()
        first += len(own)
    found = np.flatnonzero(stamps >= 0)
    found = found[np.argsort(sources[found])]
    return Newest(found, sources[found], stamps[found], visits[found])


def note(columns: Columns, found: Newest, views: Sequence[npt.NDArray[np.float32]]) -> None:
    """Write what was found into the columns, the maps' places aside; every process has heard of it then.

    Args:
        columns: Of the images' rows.
        found: What all processes together tell.
        views: What each process tells, ``(n, 2, 3)``.
    """
    columns.views[found.rows] = np.concatenate(views)[found.sources]
    visits, fresh = columns.numbers("visits"), columns.numbers("fresh")
    visits[found.rows] += found.visits - fresh[found.rows]
    fresh[found.rows] = 0
    columns.numbers("stamps")[found.rows] = found.stamps
