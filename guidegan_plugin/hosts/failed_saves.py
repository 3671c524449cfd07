"""Saves that failed: the training goes on, and its process does not end as if all were well."""

from __future__ import annotations

import logging
import re

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.script_end import judge_end

_log = logging.getLogger(__name__)


class FailedSaves:
    """What of a training could not be written.

    A later save of its kind makes it good: one of ``latest``, or one of a later epoch. Where the last of a kind failed,
    that is an error once the script is over.
    """

    def __init__(self) -> None:
        self._failed: dict[str, tuple[str, StoreError]] = {}  # by kind, the newest last
        judge_end(self._verdict)

    def add(self, name: object, error: StoreError) -> None:
        """A save failed: days of training must not end with a full disk, and the next save may succeed.

        Args:
            name: Of the checkpoint: ``latest``, or what has the number of an epoch in it.
            error: What was full or forbidden.
        """
        _log.error("%s; the training goes on", error)
        self.made_good(name)
        self._failed[_kind(name)] = str(name), error

    def made_good(self, name: object) -> None:
        """A save succeeded."""
        self._failed.pop(_kind(name), None)

    def _verdict(self) -> StoreError | None:
        if not self._failed:
            return None
        names = ", ".join(name for name, _ in self._failed.values())
        last = [error for _, error in self._failed.values()][-1]
        return StoreError(f"the training is over, and its last state was not saved ({names}): {last}")


def _kind(name: object) -> str:
    return re.sub(r"\d+", "0", str(name))
