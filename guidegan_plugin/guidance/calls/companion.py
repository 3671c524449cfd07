"""What acts on the networks of a pair beside its guide."""

from __future__ import annotations

from typing import Protocol


class Companion(Protocol):
    """Something that acts on the networks of a pair beside its guide."""

    def begin_step(self) -> None:
        """A step of the training begins."""

    def renew(self) -> None:
        """Another pair's was removed: what both did to networks that the pairs share is done again."""

    def remove(self) -> None:
        """Undo everything, as the pair leaves the training; twice is fine."""
