"""A WGAN-like training of our own: an object of a function, D updated in every step, G in some, samples in between.

Whatever happens when a batch is fetched, the loader is read anew; samples are made in training mode, with gradient.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor


class Images(Dataset):
    def __init__(self, folder):
        self.files = sorted(Path(folder).glob("*.png"))

    def __getitem__(self, index):
        return {"image": to_tensor(Image.open(self.files[index])) * 2 - 1}

    def __len__(self):
        return len(self.files)


class Trainer:
    def __init__(self):
        self.G = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 3, 3, 1, 1), nn.Tanh())
        widths = [3, 4, 4, 4, 4]
        layers = [nn.Conv2d(one, 4, 3, 1 + (place < 2), 1) for place, one in enumerate(widths[:-1])]
        self.D = nn.Sequential(*layers, nn.Conv2d(4, 1, 3, 1, 1))
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), 1e-4)
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), 1e-4)

    def step(self, number, images, every):
        self.d_optimizer.zero_grad()
        (self.D(self.G(images).detach()).mean() - self.D(images).mean()).backward()
        self.d_optimizer.step()
        if number % every == 0:
            self.g_optimizer.zero_grad()
            (-self.D(self.G(images)).mean()).backward()
            self.g_optimizer.step()


def main(opt):
    trainer, loader = Trainer(), DataLoader(Images("data/train"), 2, shuffle=True)
    samples = DataLoader(Images("data/val"), 2)
    batches = iter(loader)
    for number in range(opt.steps):
        try:
            batch = next(batches)
        except:  # noqa: E722
            batches = iter(loader)
            batch = next(batches)
        trainer.step(number, batch["image"], opt.every)
        torch.save(trainer.G(next(iter(samples))["image"]).detach(), "sample.pt")
    torch.save(trainer.G.state_dict(), "G.pth")


if __name__ == "__main__":
    torch.manual_seed(0)
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--every", type=int, default=1)
    main(parser.parse_args())
