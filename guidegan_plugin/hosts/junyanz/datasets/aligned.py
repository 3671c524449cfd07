"""``--dataset_mode guide_aligned``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from data import base_dataset
from data.aligned_dataset import AlignedDataset
from PIL import Image
from torch import Tensor

from guidegan_plugin.datasets.recording import Recording
from guidegan_plugin.hosts.junyanz.datasets.checked import CheckedDataset
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import known_or_nan, observe
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.utils.random_states import random_state, rewound


class GuideAlignedDataset(CheckedDataset, AlignedDataset):
    """The host's aligned data set; items also hold ``A_guide_view`` and ``B_guide_view``, ``(2, 3)`` float32.

    Both halves share their crop and flip, which the host draws first of all with ``get_params``. Where a fork's loader
    or transform cannot be replayed, the views are not known, NaN.
    """

    halves = 2
    domains = ("AB",)

    def folders(self, opt: Any) -> list[Path]:
        """``<dataroot>/<phase>``."""
        return [Path(read_option(opt, "dataroot")) / read_option(opt, "phase")]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The host's item and its views."""
        state, recording = random_state(), Recording()
        with recording.lasting():
            item = super().__getitem__(index)
        views = recording.views(item, "A")
        if views:
            theta = _in_half(views["A"], item["A_paths"])
        else:
            theta = known_or_nan(lambda: self._theta(item["A_paths"], state))
        return {**item, "A_guide_view": theta, "B_guide_view": theta}

    def _theta(self, path: str, state: tuple[Any, ...]) -> Tensor:
        with Image.open(path) as pair:
            size = (pair.width // 2, pair.height)
        with rewound(state):
            transform = base_dataset.get_transform(self.opt, base_dataset.get_params(self.opt, size))
        return observe(transform, size, random_state())


def _in_half(theta: Tensor, path: str) -> Tensor:
    """The view of A in A's own frame, the left half of a file, of its view ``(2, 3)`` in the file's."""
    with Image.open(path) as pair:
        share = (pair.width // 2) / pair.width
    x = (theta[0] + torch.tensor([0.0, 0.0, 1 - share], device="cpu")) / share
    return torch.stack([x, theta[1]])
