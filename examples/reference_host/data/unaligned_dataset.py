"""Images of two domains that are not paired."""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

from PIL import Image

from .base_dataset import BaseDataset, get_transform
from .image_folder import make_dataset


class UnalignedDataset(BaseDataset):
    """Reads `<dataroot>/<phase>A/` and `<dataroot>/<phase>B/`, and gives each image of A a random one of B.

    Args:
        opt: Options.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.dir_A = Path(opt.dataroot) / f"{opt.phase}A"
        self.dir_B = Path(opt.dataroot) / f"{opt.phase}B"
        self.A_paths = make_dataset(self.dir_A, opt.max_dataset_size)
        self.B_paths = make_dataset(self.dir_B, opt.max_dataset_size)
        self.A_size = len(self.A_paths)
        self.B_size = len(self.B_paths)
        forward = opt.direction == "AtoB"
        input_nc, output_nc = (opt.input_nc, opt.output_nc) if forward else (opt.output_nc, opt.input_nc)
        self.transform_A = get_transform(opt, grayscale=input_nc == 1)
        self.transform_B = get_transform(opt, grayscale=output_nc == 1)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return A and B, (C, H, W), in [-1, 1], and their paths."""
        index_b = index % self.B_size if self.opt.serial_batches else random.randint(0, self.B_size - 1)
        path_a, path_b = self.A_paths[index % self.A_size], self.B_paths[index_b]
        return {
            "A": self.transform_A(Image.open(path_a).convert("RGB")),
            "B": self.transform_B(Image.open(path_b).convert("RGB")),
            "A_paths": path_a,
            "B_paths": path_b,
        }

    def __len__(self) -> int:
        """Size of the larger domain; the smaller one is repeated."""
        return max(self.A_size, self.B_size)
