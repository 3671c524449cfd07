"""Images of one domain, for testing one generator."""

from __future__ import annotations

import argparse
from typing import Any

from PIL import Image

from .base_dataset import BaseDataset, get_transform
from .image_folder import make_dataset


class SingleDataset(BaseDataset):
    """Reads all images below `<dataroot>/`.

    Args:
        opt: Options.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.A_paths = make_dataset(opt.dataroot, opt.max_dataset_size)
        input_nc = opt.input_nc if opt.direction == "AtoB" else opt.output_nc
        self.transform = get_transform(opt, grayscale=input_nc == 1)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return A, (C, H, W), in [-1, 1], and its path."""
        path = self.A_paths[index]
        return {"A": self.transform(Image.open(path).convert("RGB")), "A_paths": path}

    def __len__(self) -> int:
        """Number of images."""
        return len(self.A_paths)
