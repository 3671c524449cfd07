"""``--dataset_mode guide_single``."""

from __future__ import annotations

from typing import Any

from data.single_dataset import SingleDataset

from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import Views


class GuideSingleDataset(CheckedDataset, SingleDataset):
    """The host's single data set; items also hold ``A_guide_view``, ``(2, 3)`` float32; NaN where nobody knows."""

    def __init__(self, opt: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(opt, *args, **kwargs)
        self._views = Views(self, SingleDataset, {"A": "transform"})

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its view."""
        with self._views.watched():
            item = super().__getitem__(index)
        return {**item, **self._views.of(item)}
