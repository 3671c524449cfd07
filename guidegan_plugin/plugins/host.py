"""What a host adapter must say about a codebase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

Fact = tuple[str, str]  # a label, and what is so; without a label the fact above goes on


class DryRunFinished(SystemExit):
    """Ends a host's script after a dry run, with exit code 0.

    Args:
        facts: What would be attached where, in words.
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        super().__init__(0)
        self.facts = list(facts)


def as_text(facts: Sequence[Fact]) -> str:
    """Facts in two columns, a line each, without a newline at the end."""
    return "\n".join(f"{label:<14} {text}".rstrip() for label, text in facts)


class Host(ABC):
    """A codebase somebody else wrote.

    Attributes:
        name: Name of the family.
        looks_for: What makes a folder one of the family, in words for an error message.
        root: The codebase's folder.
    """

    name: ClassVar[str]
    looks_for: ClassVar[str]
    root: Path

    @classmethod
    @abstractmethod
    def recognise(cls, root: Path) -> Host | None:
        """An adapter for the codebase in a folder, None if it is not one of the family."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The family and its generation, in words."""

    @abstractmethod
    def guided(self) -> AbstractContextManager[None]:
        """While it lasts, the codebase finds guided models and data sets beside its own; no file changes."""

    @abstractmethod
    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """A script's arguments, changed so that it describes its guidance and stops, leaving files only in scratch.

        Raises:
            HostError: If the arguments ask for no guided model.
        """
