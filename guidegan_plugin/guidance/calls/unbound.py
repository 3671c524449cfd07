"""Notices a generator that is trained though its images were never bound, which no look at a bound batch can tell."""

from __future__ import annotations

import logging

from guidegan_plugin.errors import GuideError

_log = logging.getLogger(__name__)

PATIENCE = 10
"""Calls of a generator before anything was bound; some codebases make a first pass before their training."""


class UnboundWatch:
    """Says once that a pair is not guided, because nothing was bound.

    Args:
        pair: Name of the pair.
        strict: Whether to raise in place of a warning.
    """

    def __init__(self, pair: str, strict: bool) -> None:
        self._pair, self._strict, self._calls = pair, strict, 0

    def called(self) -> None:
        """The generator was called in training mode and with gradient, and no batch was bound yet.

        Raises:
            GuideError: If guidance is strict.
        """
        self._calls += 1
        if self._calls != PATIENCE:
            return
        message = (
            f"pair {self._pair} is not guided: in {PATIENCE} calls of the generator no batch was bound; call "
            "bind(images, keys) of its guide before the generator, in each step"
        )
        if self._strict:
            raise GuideError(f"{message} (strict=True, --guide_strict)")
        _log.warning("%s", message)
