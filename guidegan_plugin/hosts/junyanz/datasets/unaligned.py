"""``--dataset_mode guide_unaligned``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from data.unaligned_dataset import UnalignedDataset
from torch import Tensor

from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import ObservedTransform
from guidegan_plugin.hosts.junyanz.host_options import read_option


class GuideUnalignedDataset(CheckedDataset, UnalignedDataset):
    """The host's unaligned data set; items also hold ``A_guide_view`` and ``B_guide_view``, ``(2, 3)`` float32.

    A fork that keeps no ``transform_A`` (CUT makes one an item) gives views that are not known, NaN.
    """

    def __init__(self, opt: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(opt, *args, **kwargs)
        for name in ("transform_A", "transform_B"):
            if hasattr(self, name):
                setattr(self, name, ObservedTransform(getattr(self, name)))

    def folders(self, opt: Any) -> list[Path]:
        """``<dataroot>/<phase>A`` and ``B``."""
        return [Path(read_option(opt, "dataroot")) / f"{read_option(opt, 'phase')}{domain}" for domain in "AB"]

    def image_lists(self) -> list[list[str]]:
        """Images of both domains."""
        return [self.A_paths, self.B_paths]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its views."""
        item = super().__getitem__(index)
        return {**item, "A_guide_view": self._theta("A"), "B_guide_view": self._theta("B")}

    def _theta(self, domain: str) -> Tensor:
        transform = getattr(self, f"transform_{domain}", None)
        return transform.theta if isinstance(transform, ObservedTransform) else torch.full((2, 3), float("nan"))
