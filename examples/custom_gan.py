"""Guidance on a class of your own, by a decorator: nothing inside the class changes.

    python examples/custom_gan.py --steps 200

Plain objects learn to be striped; an adversarial loss, and a cheap identity loss that keeps the image.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from guidegan_plugin import GuideConfig, Pair, guided


class Unpaired(Dataset[dict[str, Any]]):
    """Plain objects (A), striped ones (B), and the path of A as its key."""

    def __init__(self, root: Path) -> None:
        self.paths = {domain: sorted((root / f"train{domain}").glob("*.png")) for domain in "AB"}

    def __len__(self) -> int:
        return len(self.paths["A"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        chosen = {"A": self.paths["A"][index], "B": self.paths["B"][torch.randint(len(self), ())]}
        return {**{domain: read(path) for domain, path in chosen.items()}, "path": chosen["A"].name}


def read(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 127.5 - 1


def make_generator(width: int = 16) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 5, padding=2)]
    for _ in range(3):
        layers += [nn.InstanceNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, 3, 5, padding=2), nn.Tanh())


def make_discriminator(width: int = 16) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1), nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2)]
        width *= 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))


@guided(Pair("nets.G", "nets.D", source="real", keys="path", name="A"), config=GuideConfig(layer=4))
class Striper:
    """A small GAN that knows nothing of guidance."""

    def __init__(self) -> None:
        self.nets = {"G": make_generator(), "D": make_discriminator()}
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for name, net in self.nets.items()
        }

    def training_step(self, batch: dict[str, Any]) -> dict[str, float]:
        generator, discriminator = self.nets["G"], self.nets["D"]
        self.real = batch["A"]
        fake = generator(self.real)
        loss_g = (discriminator(fake) - 1).pow(2).mean() + (fake - self.real).abs().mean()
        self.update("G", loss_g)
        loss_d = (discriminator(batch["B"]) - 1).pow(2).mean() + discriminator(fake.detach()).pow(2).mean()
        self.update("D", loss_d)
        return {"G": loss_g.item(), "D": loss_d.item()}

    def update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    steps, size = parser.parse_args().steps, 64
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        draw = f"data shapes {folder}/data --size {size} --count 16 --workers 1 --quiet"
        subprocess.run([sys.executable, "-m", "guidegan_plugin", *draw.split()], check=True)
        loader = DataLoader(Unpaired(Path(folder) / "data"), batch_size=4, shuffle=True)
        striper, done = Striper(), 0
        while done < steps:
            for batch in loader:
                losses, done = striper.training_step(batch), done + 1
                if done == steps or done % 20 == 0:
                    print(f"step {done}: " + ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items()))
                if done == steps:
                    break
    for name, guide in striper.guides.items():  # type: ignore[attr-defined]  # what the decorator adds
        print(f"pair {name}: {guide.statistics()['images']} maps stored, read at {guide.pair['attention']}")


if __name__ == "__main__":
    main()
