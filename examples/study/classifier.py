"""The shapes classifier: the features of KID on shapes, trained on shapes by the study itself.

It is no Inception: a small network that learns, from images of its own draw, whether an object is plain or striped,
which colours object and background have, and where the object is. `guidegan evaluate kid` takes it, too, with this
folder on PYTHONPATH and the weights named:

    STUDY_CLASSIFIER=OUT/judge/classifier.safetensors guidegan evaluate kid --features classifier:trained ...
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from weights import about, write_weights

from guidegan_plugin.datasets.synthetic.shapes import draw_plain, draw_striped
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.progress import progress

NAME = "shapes classifier trained by the study"
CELLS = 8  # the object's place is learnt on a grid of so many cells a side


class ShapesClassifier(nn.Module):
    """Images (N, 3, H, W) in [0, 1] to features (N, 128) in [-1, 1], standardised over the images it was trained on.

    They are bounded, since KID cubes products of features: a few broken images should not decide it.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width, stride in ((3, 24, 1), (24, 32, 2), (32, 48, 2), (48, 64, 2)):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        self.trunk = nn.Sequential(*layers)
        self.answers = nn.Linear(128, 7)  # striped or not; colour of the object; colour of the background
        self.place = nn.Conv2d(64, 1, 1)
        self.register_buffer("centre", torch.zeros(128))
        self.register_buffer("spread", torch.ones(128))

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh((self.pooled(self.trunk(images * 2 - 1)) - self.centre) / (2 * self.spread))

    @staticmethod
    def pooled(maps: Tensor) -> Tensor:
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)

    def losses(self, images: Tensor, striped: Tensor, colours: Tensor, places: Tensor) -> Tensor:
        """The sum of the losses of all that it learns."""
        maps = self.trunk(images * 2 - 1)
        answers = self.answers(self.pooled(maps))
        place = F.adaptive_avg_pool2d(self.place(maps), CELLS)
        loss: Tensor = F.binary_cross_entropy_with_logits(answers[:, 0], striped)
        loss = loss + 4 * F.mse_loss(answers[:, 1:], colours)
        return loss + F.binary_cross_entropy_with_logits(place[:, 0], places)

    @torch.no_grad()
    def striped(self, images: Tensor) -> Tensor:
        """Whether each image, (N, 3, H, W) in [0, 1], shows stripes: (N,), bool, on the images' device."""
        parts = images.to(self.centre.device).split(32)
        answers = torch.cat([self.answers(self.pooled(self.trunk(part * 2 - 1))) for part in parts])
        return (answers[:, 0] > 0).to(images.device)


def train_classifier(path: Path, size: int, count: int = 1200, passes: int = 8, seed: int = 0) -> dict[str, object]:
    """Train a classifier on plain and striped objects drawn for it, and write its weights as safetensors.

    Args:
        path: Of the weights; where they are already, trained likewise, nothing happens.
        size: Height and width of images.
        count: Images of each domain; a sixth as many are held out.
        passes: Over all of them.
        seed: Of images, weights and order; no study's data set draws the same images.

    Returns:
        What it is, and the share of held-out images whose domain it tells.
    """
    told: dict[str, object] = {"name": NAME, "size": size, "images": 2 * count, "passes": passes, "seed": seed}
    if not told.items() <= about(path).items():
        network = _trained(size, count, passes, seed)
        held_out = max(2, count // 6)
        images, striped, _, _ = _draw(size, held_out, (seed, 7_002))
        right = float((network.striped(images) == striped.bool()).double().mean())
        told |= {"held_out": 2 * held_out, "held_out_accuracy": right}
        write_weights(path, network, told)
    return about(path)


def load_classifier(path: Path) -> ShapesClassifier:
    """A classifier ready to judge, on a GPU where there is one."""
    network = ShapesClassifier()
    network.load_state_dict(load_file(path))
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def trained() -> ShapesClassifier:
    """The classifier whose weights file is named by STUDY_CLASSIFIER, for `--features classifier:trained`."""
    if not os.environ.get("STUDY_CLASSIFIER"):
        raise ConfigError("no weights; name a study's judge/classifier.safetensors in STUDY_CLASSIFIER")
    return load_classifier(Path(os.environ["STUDY_CLASSIFIER"]))


def _trained(size: int, count: int, passes: int, seed: int) -> ShapesClassifier:
    images, *targets = _draw(size, count, (seed, 7_001))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ShapesClassifier().train()
        batch, steps = 32, passes * -(-len(images) // 32)
        optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, max(2, steps))
        for _ in progress(range(passes), "shapes classifier"):
            for chosen in torch.randperm(len(images)).split(batch):
                optimizer.zero_grad()
                network.losses(images[chosen], *(target[chosen] for target in targets)).backward()
                optimizer.step()
                schedule.step()
    network.eval()
    with torch.no_grad():
        features = torch.cat([network.pooled(network.trunk(part * 2 - 1)) for part in images.split(batch)])
    network.centre.copy_(features.mean(0))
    network.spread.copy_(features.std(0).clamp_min(1e-3))
    return network


def _draw(size: int, count: int, stream: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images in [0, 1], striped or not, colours of object and background, and how much of each cell is object."""
    rng = np.random.default_rng(stream)
    images, striped, colours, places = [], [], [], []
    for number in range(2 * count):
        pixels, region = (draw_striped if number % 2 else draw_plain)(rng, size)
        image = torch.from_numpy(pixels.astype(np.float32) / 255)
        inside = torch.from_numpy(region)
        images.append(image.permute(2, 0, 1))
        striped.append(float(number % 2))
        colours.append(torch.cat([image[inside].mean(0), image[~inside].mean(0)]))
        places.append(F.adaptive_avg_pool2d(inside[None].float(), CELLS)[0])
    return torch.stack(images), torch.tensor(striped), torch.stack(colours), torch.stack(places)
