"""``--dataset_mode guide_aligned``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.aligned_dataset import AlignedDataset
from data.base_dataset import get_params, get_transform
from PIL import Image

from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import observe
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.utils.random_states import random_state, rewound


class GuideAlignedDataset(CheckedDataset, AlignedDataset):
    """The host's aligned data set; items also hold ``A_guide_view`` and ``B_guide_view``, ``(2, 3)`` float32.

    Both halves share their crop and flip, which the host draws first of all with ``get_params``.
    """

    halves = 2

    def folders(self, opt: Any) -> list[Path]:
        """``<dataroot>/<phase>``."""
        return [Path(read_option(opt, "dataroot")) / read_option(opt, "phase")]

    def image_lists(self) -> list[list[str]]:
        """The side-by-side images."""
        return [self.AB_paths]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its views."""
        state = random_state()
        item = super().__getitem__(index)
        with Image.open(item["A_paths"]) as pair:
            size = (pair.width // 2, pair.height)
        with rewound(state):
            transform = get_transform(self.opt, get_params(self.opt, size))
        theta = observe(transform, size, random_state())
        return {**item, "A_guide_view": theta, "B_guide_view": theta}
