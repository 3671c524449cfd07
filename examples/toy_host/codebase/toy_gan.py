"""A GAN as one finds them: it makes gray images colourful."""

from pathlib import Path

import torch
from torch import Tensor, nn


class ToyGan:
    def __init__(self, width: int = 8) -> None:
        self.netG = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh()
        )
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(3):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.InstanceNorm2d(width), nn.LeakyReLU(0.2)]
        self.netD = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))
        self.optimizer_G = torch.optim.Adam(self.netG.parameters(), 2e-4, (0.5, 0.999))
        self.optimizer_D = torch.optim.Adam(self.netD.parameters(), 2e-4, (0.5, 0.999))

    def train_on(self, batch: dict[str, Tensor | list[str]]) -> None:
        self.gray, self.names = batch["gray"], batch["names"]
        fake = self.netG(self.gray)
        self.optimizer_G.zero_grad()
        (self.netD(fake) - 1).pow(2).mean().backward()
        self.optimizer_G.step()
        self.optimizer_D.zero_grad()
        ((self.netD(batch["colour"]) - 1).pow(2).mean() + self.netD(fake.detach()).pow(2).mean()).backward()
        self.optimizer_D.step()

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        self.netG.eval()
        translated: Tensor = self.netG(images)
        return translated

    def save(self, folder: Path, epoch: int) -> None:
        torch.save(self.netG.state_dict(), folder / f"{epoch}.pth")
        torch.save(self.netD.state_dict(), folder / f"D_{epoch}.pth")

    def resume(self, folder: Path, epoch: int) -> None:
        self.load(folder / f"{epoch}.pth")
        self.netD.load_state_dict(torch.load(folder / f"D_{epoch}.pth", weights_only=True))

    def load(self, path: Path) -> None:
        self.netG.load_state_dict(torch.load(path, weights_only=True))
