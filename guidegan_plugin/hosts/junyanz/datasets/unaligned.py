"""``--dataset_mode guide_unaligned``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.unaligned_dataset import UnalignedDataset

from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.replay import ObservedTransform


class GuideUnalignedDataset(CheckedDataset, UnalignedDataset):
    """The host's unaligned data set; items also hold ``A_guide_view`` and ``B_guide_view``, ``(2, 3)`` float32."""

    def __init__(self, opt: Any) -> None:
        super().__init__(opt)
        self.transform_A: ObservedTransform = ObservedTransform(self.transform_A)
        self.transform_B: ObservedTransform = ObservedTransform(self.transform_B)

    def folders(self, opt: Any) -> list[Path]:
        """``<dataroot>/<phase>A`` and ``B``."""
        return [Path(opt.dataroot) / f"{opt.phase}{domain}" for domain in "AB"]

    def image_lists(self) -> list[list[str]]:
        """Images of both domains."""
        return [self.A_paths, self.B_paths]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its views."""
        item = super().__getitem__(index)
        return {**item, "A_guide_view": self.transform_A.theta, "B_guide_view": self.transform_B.theta}
