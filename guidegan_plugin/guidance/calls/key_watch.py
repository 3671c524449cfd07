"""Notices data sets whose items have the same keys."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from guidegan_plugin.utils.keys import ItemKey

_log = logging.getLogger(__name__)


class KeyWatch:
    """Warns once where two data sets of a training count their items alike, so that their images share maps."""

    def __init__(self) -> None:
        self._datasets: dict[str, str] = {}  # by the pair's name: the first one's
        self._warned = False

    def see(self, pair: str, keys: Sequence[object]) -> None:
        """A pair binds images under these keys."""
        for key in () if self._warned else keys:
            if isinstance(key, ItemKey) and self._datasets.setdefault(pair, key.dataset) != key.dataset:
                self._warned = True
                _log.warning(
                    "pair %s: two data sets count their items alike, so the map of an image would be given to another "
                    "one; give each a name: with_keys(dataset, name='photos')",
                    pair,
                )
                return
