"""Where in an epoch this process is: the family's models are not told."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

# The data set leaves its length here, in the options that it shares with the model.
SAMPLES = "guide_samples"


class EpochCounter:
    """Counts the samples this process has seen since the last epoch ended.

    Args:
        options: The host's options; our data sets leave the number of samples of an epoch in them.

    Attributes:
        seen: Samples seen since the last mark.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._marks = 0
        self.seen = 0

    def mark(self) -> None:
        """The host steps its schedules: at the end of an epoch, in the classic generation at the start."""
        self._marks += 1
        self.seen = 0

    def completed(self, marks_the_start: bool) -> int:
        """Epochs completed in this process.

        Args:
            marks_the_start: Whether the host's marks stand at the start of an epoch.
        """
        under_way = marks_the_start and not self.complete
        return max(self._marks - under_way, 0)

    def progress(self, first: int, epochs: int, marks_the_start: bool) -> float:
        """Share of the training done once the batch under way is over, in [0, 1]; by whole epochs at worst.

        Args:
            first: Number of this process's first epoch, from 1.
            epochs: How many there are in all.
            marks_the_start: Whether the host's marks stand at the start of an epoch.
        """
        before = first - 1 + max(self._marks - marks_the_start, 0)
        length = self._length
        within = 1.0 if not length else min(self.seen * _world()[1] / length, 1.0)
        return min((before + within) / epochs, 1.0)

    def count(self, samples: int) -> None:
        """A batch of so many samples was bound."""
        self.seen += samples

    @property
    def complete(self) -> bool:
        """Whether this process has seen a whole epoch's share; True where nobody knows how long an epoch is."""
        length = self._length
        return length is None or self.seen * _world()[1] >= length

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
