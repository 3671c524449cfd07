"""A data set whose items have a label map or an image, an instance map, a real image and a path."""

from __future__ import annotations

import random
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class AlignedDataset(Dataset[dict[str, Any]]):
    def __init__(self, opt: Namespace) -> None:
        self.opt, root = opt, Path(opt.dataroot)
        kinds = {"label": "_label" if opt.label_nc else "_A"}
        if opt.isTrain:
            kinds["image"] = "_img" if opt.label_nc else "_B"
        if not opt.no_instance:
            kinds["inst"] = "_inst"
        self.paths = {kind: sorted((root / f"{opt.phase}{ending}").iterdir()) for kind, ending in kinds.items()}

    def __len__(self) -> int:
        return len(self.paths["label"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        path = str(self.paths["label"][index])
        item: dict[str, Any] = {"label": 0, "inst": 0, "image": 0, "feat": 0, "path": path}
        flip = self.opt.isTrain and random.random() < 0.5
        for kind, paths in self.paths.items():
            numbers = kind == "inst" or (kind == "label" and self.opt.label_nc)
            item[kind] = read(Image.open(paths[index]), self.opt.fineSize, flip, numbers)
        return item


def read(image: Image.Image, size: int, flip: bool, numbers: bool) -> Tensor:
    image = image.resize((size, size), Image.Resampling.NEAREST)
    if flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if numbers:
        return torch.from_numpy(np.array(image, dtype=np.float32))[None]
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 127.5 - 1


def load_data(opt: Namespace) -> DataLoader[dict[str, Any]]:
    return DataLoader(AlignedDataset(opt), opt.batchSize, shuffle=opt.isTrain, num_workers=opt.nThreads)
