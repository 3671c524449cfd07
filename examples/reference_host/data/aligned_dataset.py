"""Paired images that stand side by side in one file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from PIL import Image

from .base_dataset import BaseDataset, get_params, get_transform
from .image_folder import make_dataset


class AlignedDataset(BaseDataset):
    """Reads `<dataroot>/<phase>/`, where the left half of an image is A and the right half is B.

    Both halves are cropped and flipped alike.

    Args:
        opt: Options.

    Raises:
        ValueError: The images are resized to less than the crop.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        if opt.preprocess.endswith("_and_crop") and opt.load_size < opt.crop_size:
            raise ValueError(f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}")
        self.dir_AB = Path(opt.dataroot) / opt.phase
        self.AB_paths = make_dataset(self.dir_AB, opt.max_dataset_size)
        forward = opt.direction == "AtoB"
        self.input_nc, self.output_nc = (opt.input_nc, opt.output_nc) if forward else (opt.output_nc, opt.input_nc)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return A and B, (C, H, W), in [-1, 1], and the file's path under both names."""
        path = self.AB_paths[index]
        pair = Image.open(path).convert("RGB")
        half = pair.width // 2
        image_a = pair.crop((0, 0, half, pair.height))
        image_b = pair.crop((half, 0, 2 * half, pair.height))
        params = get_params(self.opt, image_a.size)
        return {
            "A": get_transform(self.opt, params, grayscale=self.input_nc == 1)(image_a),
            "B": get_transform(self.opt, params, grayscale=self.output_nc == 1)(image_b),
            "A_paths": path,
            "B_paths": path,
        }

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.AB_paths)
