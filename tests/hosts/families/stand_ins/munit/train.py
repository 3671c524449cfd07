"""Trains from two loaders of bare tensors, and ends with a text."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from trainer import MUNIT_Trainer, UNIT_Trainer

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--output_path", default=".")
parser.add_argument("--trainer", default="MUNIT")
parser.add_argument("--resume", action="store_true")
opts = parser.parse_args()
config: dict[str, Any] = json.loads(Path(opts.config).read_text())


class Images(Dataset[Tensor]):
    def __init__(self, folder: Path) -> None:
        size = config["crop_image_height"]
        self.paths = sorted(folder.iterdir())
        crop = (transforms.RandomHorizontalFlip(), transforms.Resize(config["new_size"]), transforms.RandomCrop(size))
        self.transform = transforms.Compose([*crop, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


trainer = {"MUNIT": MUNIT_Trainer, "UNIT": UNIT_Trainer}[opts.trainer](config)
data = [Images(Path(config["data_root"]) / f"train{domain}") for domain in "AB"]
loaders = [
    DataLoader(one, config["batch_size"], shuffle=True, drop_last=True, num_workers=config["num_workers"])
    for one in data
]
shown = torch.stack([data[0][index] for index in range(config["display_size"])])
folder = Path(opts.output_path) / "outputs" / Path(opts.config).stem / "checkpoints"
folder.mkdir(parents=True, exist_ok=True)
done = trainer.resume(folder) if opts.resume else 0
while True:
    for images_a, images_b in zip(*loaders, strict=True):
        for scheduler in trainer.schedulers:
            scheduler.step()
        x_a, x_b = images_a.detach(), images_b.detach()
        trainer.dis_update(x_a, x_b)
        trainer.gen_update(x_a, x_b)
        done += 1
        if done % config["image_save_iter"] == 0:
            with torch.no_grad():
                trainer.sample(shown)
        if done % config["snapshot_save_iter"] == 0:
            trainer.save(folder, done)
        if done >= config["max_iter"]:
            sys.exit("Finish training")
