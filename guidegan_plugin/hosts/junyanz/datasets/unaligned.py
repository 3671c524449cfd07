"""``--dataset_mode guide_unaligned``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.unaligned_dataset import UnalignedDataset

from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import Views
from guidegan_plugin.hosts.junyanz.host_options import read_option


class GuideUnalignedDataset(CheckedDataset, UnalignedDataset):
    """The host's unaligned data set; items also hold ``A_guide_view`` and ``B_guide_view``, ``(2, 3)`` float32.

    A transform that cannot be replayed gives views that are not known, NaN.
    """

    domains = ("A", "B")

    def __init__(self, opt: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(opt, *args, **kwargs)
        self._views = Views(self, UnalignedDataset, {"A": "transform_A", "B": "transform_B"})

    def folders(self, opt: Any) -> list[Path]:
        """``<dataroot>/<phase>A`` and ``B``."""
        return [Path(read_option(opt, "dataroot")) / f"{read_option(opt, 'phase')}{domain}" for domain in "AB"]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its views."""
        with self._views.watched():
            item = super().__getitem__(index)
        return {**item, **self._views.of(item)}
