"""The segmenter of FCN scores: a small U-Net trained on a data set's own training photos by the study itself."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from dataset import fingerprint
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from weights import about, write_weights

from guidegan_plugin.utils.images import list_images
from guidegan_plugin.utils.progress import progress

if TYPE_CHECKING:
    from guidegan_plugin.datasets.palettes import Palette

NAME = "U-Net trained by the study"
WIDTHS = (16, 32, 64, 96)


class SmallUNet(nn.Module):
    """Photos (N, 3, H, W) in [0, 1] to logits (N, C, H, W).

    Args:
        classes: How many.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = _block(3, WIDTHS[0])
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise(WIDTHS))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in pairwise(WIDTHS))
        self.last = nn.Conv2d(WIDTHS[0], classes, 1)

    def forward(self, photos: Tensor) -> Tensor:
        levels = [self.first(photos * 2 - 1)]
        for block in self.down:
            levels.append(block(F.max_pool2d(levels[-1], 2)))
        below = levels.pop()
        for block in reversed(self.up):
            level = levels.pop()
            below = F.interpolate(below, level.shape[-2:], mode="bilinear", align_corners=False)
            below = block(torch.cat([level, below], 1))
        logits: Tensor = self.last(below)
        return logits


def train_segmenter(
    path: Path, photos: Path, labels: Path, palette: Palette, passes: int = 20, seed: int = 0
) -> dict[str, object]:
    """Train a segmenter on photos and colour-coded labels of the same names; write its weights as safetensors.

    Args:
        path: Of the weights; where they are already, trained likewise on these images, nothing happens.
        photos: Folder of training photos.
        labels: Folder of their labels.
        palette: What the colours mean; void is not learnt.
        passes: Over all photos.
        seed: Of weights, order and flips.

    Returns:
        What it is.
    """
    told: dict[str, object] = {"name": NAME, "passes": passes, "seed": seed}
    told["data"] = f"{fingerprint(photos)} {fingerprint(labels)}"
    if not told.items() <= ({"data": told["data"]} | about(path)).items():  # older studies did not keep it
        images, targets = _read(photos, labels, palette)
        network = _trained(images, targets, len(palette.classes), passes, seed)
        told |= {"size": images.shape[-1], "images": len(images)}
        write_weights(path, network, told)
    return about(path) | {"weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def load_segmenter(path: Path, classes: int) -> SmallUNet:
    """A segmenter ready to read photos."""
    network = SmallUNet(classes)
    network.load_state_dict(load_file(path))
    return network.eval()


def write_truth(labels: Path, folder: Path, palette: Palette) -> None:
    """Write colour-coded labels as label ids, by the nearest colour of the palette."""
    from guidegan_plugin.evaluation.label_images import nearest_labels

    ids = np.array([next(iter(entry.ids), 0) for entry in (*palette.classes, *palette.void[:1])], dtype=np.uint8)
    for path in list_images(labels):
        found = np.asarray(nearest_labels(_pixels(path), palette))
        Image.fromarray(ids[found]).save(folder / f"{path.stem}.png")


def _block(before: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
    return nn.Sequential(*layers)


def _trained(images: Tensor, targets: Tensor, classes: int, passes: int, seed: int, batch: int = 8) -> SmallUNet:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallUNet(classes).to(device).train()
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        steps = passes * -(-len(images) // batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, max(2, steps))
        for _ in progress(range(passes), "segmenter"):
            for chosen in torch.randperm(len(images)).split(batch):
                photos, truth = images[chosen].to(device), targets[chosen].to(device)
                if torch.rand(()) < 0.5:
                    photos, truth = photos.flip(-1), truth.flip(-1)
                optimizer.zero_grad()
                F.cross_entropy(network(photos), truth, ignore_index=classes).backward()
                optimizer.step()
                schedule.step()
    return network.cpu().eval()


def _read(photos: Path, labels: Path, palette: Palette) -> tuple[Tensor, Tensor]:
    from guidegan_plugin.evaluation.label_images import nearest_labels

    images, targets = [], []
    for path in list_images(photos):
        images.append(torch.from_numpy(_pixels(path).astype(np.float32) / 255).permute(2, 0, 1))
        found = np.asarray(nearest_labels(_pixels(labels / path.name), palette)).astype(np.int64)
        targets.append(torch.from_numpy(found))
    return torch.stack(images), torch.stack(targets)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))
