"""Where in an epoch this process is: the family's models are not told."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

# The data set leaves its length here, in the options that it shares with the model.
SAMPLES = "guide_samples"


class EpochCounter:
    """Counts the samples this process has seen since the last epoch ended.

    A host marks an epoch where it steps its schedules, and saves before or behind its mark. Some hosts step before the
    first batch of an epoch, others behind the last one: the very first mark shows which.

    Args:
        options: The host's options; our data sets leave the number of samples of an epoch in them.
        may_drop: Whether the host's loader may drop a last batch that is not full.

    Attributes:
        seen: Samples seen since the last mark.
        marks_starts: Whether the host was seen to mark the start of an epoch, before any batch.
    """

    def __init__(self, options: Any, may_drop: bool = True) -> None:
        self._options, self._may_drop = options, may_drop
        self._marks = self._batch = self._batch_before = 0
        self._whole: int | None = None
        self.seen = 0
        self.marks_starts = False

    def mark(self) -> None:
        """The host steps its schedules."""
        if self.seen:
            self._whole = self.seen
        elif not self._marks:
            self.marks_starts = True
        self._marks += 1
        self.seen = 0

    @property
    def step_is_due(self) -> bool:
        """Whether the epoch under way is complete and the host has yet to step its schedules for it."""
        return not self.marks_starts and self.complete

    def completed(self, named: int | str = "") -> int:
        """Epochs completed in this process.

        Args:
            named: What the host calls its checkpoint: the number of an epoch that is over, where nothing else says how
                long an epoch is.
        """
        before = max(self._marks - self.marks_starts, 0)
        return before + (self.complete or (self.seen > 0 and not self._known and named == before + 1))

    def progress(self, first: int, epochs: int) -> float:
        """Share of the training done once the batch under way is over, in [0, 1]; by whole epochs at worst.

        Args:
            first: Number of this process's first epoch, from 1.
            epochs: How many there are in all.
        """
        before = first - 1 + max(self._marks - self.marks_starts, 0)
        length = self._length
        within = 1.0 if not length else min(self.seen * _world()[1] / length, 1.0)
        return min((before + within) / epochs, 1.0)

    def count(self, samples: int) -> None:
        """A batch of so many samples was bound; fewer than none where the last batch was no training after all."""
        self.seen += samples
        if samples < 0:
            self._batch = self._batch_before
        else:
            self._batch_before, self._batch = self._batch, max(self._batch, samples)

    @property
    def complete(self) -> bool:
        """Whether this process has seen a whole epoch's share.

        Where nobody knows how long an epoch is, False, or True where epochs are marked at their start: a host saves at
        their ends, mostly.
        """
        if not self.seen:
            return False
        if self._whole is not None:
            return self.seen >= self._whole
        ranks, length = _world()[1], self._length
        if length is None:
            return self.marks_starts
        # Where a loader may drop a last batch that is not full, nobody is told whether this one does: then an epoch
        # that lacks no more than such a batch is over. To take it for unfinished would repeat the epoch at a resume.
        missing = self._batch - 1 if self._may_drop else 0
        return (self.seen + missing) * ranks >= length

    @property
    def _known(self) -> bool:
        return self._whole is not None or self._length is not None

    def not_padding(self, samples: int) -> list[bool] | None:
        """Which samples of the next batch are more than the distributed sampler's padding.

        It deals samples out in turn, and repeats the first ones where they do not suffice for all ranks.

        Returns:
            N flags, None where there is one process or nobody knows how long an epoch is.
        """
        rank, ranks = _world()
        if ranks == 1 or (length := self._length) is None:
            return None
        return [(self.seen + index) * ranks + rank < length for index in range(samples)]

    @property
    def _length(self) -> int | None:
        length: int | None = getattr(self._options, SAMPLES, None)
        return length


def _world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
