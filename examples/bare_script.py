"""Guidance in a script of its own, in the shape of a one-file CycleGAN: what guidance adds are the marked lines.

python examples/bare_script.py --steps 100
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.datasets.keyed import with_keys

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--concat", default="rhp")
parser.add_argument("--memory", default="image", help="batch, for a loader that yields no keys")
options = parser.parse_args()
torch.manual_seed(0)


def read(folder: Path) -> Tensor:
    """All images of a folder, (N, 3, H, W) in [-1, 1]."""
    images = np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))])
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.InstanceNorm2d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


def generator(width: int = 16) -> nn.Module:
    first = [nn.Conv2d(3, width, 7, padding=3), nn.InstanceNorm2d(width), nn.ReLU()]
    return nn.Sequential(*first, Residual(width), Residual(width), nn.Conv2d(width, 3, 7, padding=3), nn.Tanh())


def discriminator(width: int = 16) -> nn.Module:
    layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for stride in (2, 2, 1):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1), nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2)]
        width *= 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))


with tempfile.TemporaryDirectory() as root:
    draw = f"data shapes {root}/data --size 64 --count 12 --workers 1 --quiet"
    subprocess.run([sys.executable, "-m", "guidegan_plugin", *draw.split()], check=True)
    data = TensorDataset(read(Path(root) / "data" / "trainA"), read(Path(root) / "data" / "trainB"))
loader = DataLoader(with_keys(data), batch_size=2, shuffle=True)  # guidance: items carry their index as key

G_AB, G_BA = generator(), generator()
D_A, D_B = discriminator(), discriminator()
optimizer_G = torch.optim.Adam(itertools.chain(G_AB.parameters(), G_BA.parameters()), 2e-4, (0.5, 0.999))
optimizer_D = torch.optim.Adam(itertools.chain(D_A.parameters(), D_B.parameters()), 2e-4, (0.5, 0.999))
both = [optimizer_G, optimizer_D]

config = GuideConfig(concat=options.concat)  # guidance: a pair is a generator and the discriminator that judges it
guide_A = attach(G_AB, D_B, config, name="A", optimizers=both, memory=options.memory)
guide_B = attach(G_BA, D_A, config, name="B", optimizers=both, memory=options.memory, beside=guide_A)


def adversarial(prediction: Tensor, target: float) -> Tensor:
    return (prediction - target).pow(2).mean()


step = 0
while step < options.steps:
    for real_A, real_B, keys in loader:
        guide_A.bind(real_A, keys)  # guidance: which images these are
        guide_B.bind(real_B, keys)

        optimizer_G.zero_grad()
        fake_B, fake_A = G_AB(real_A), G_BA(real_B)
        loss_gan = adversarial(D_B(fake_B), 1) + adversarial(D_A(fake_A), 1)
        loss_cycle = (G_BA(fake_B) - real_A).abs().mean() + (G_AB(fake_A) - real_B).abs().mean()
        loss_identity = (G_AB(real_B) - real_B).abs().mean() + (G_BA(real_A) - real_A).abs().mean()
        (loss_gan + 10 * loss_cycle + 5 * loss_identity).backward()
        optimizer_G.step()

        optimizer_D.zero_grad()
        loss_A = adversarial(D_A(real_A), 1) + adversarial(D_A(fake_A.detach()), 0)
        loss_B = adversarial(D_B(real_B), 1) + adversarial(D_B(fake_B.detach()), 0)
        (loss_A + loss_B).backward()
        optimizer_D.step()

        step += 1
        if step == options.steps or step % 20 == 0:
            print(f"step {step}: GAN {loss_gan:.3f}, cycle {loss_cycle:.3f}, D {loss_A + loss_B:.3f}")
        if step == options.steps:
            break

for guide in (guide_A, guide_B):
    print(f"pair {guide.name}: {guide.statistics()['images']} maps stored")
    guide.detach()
