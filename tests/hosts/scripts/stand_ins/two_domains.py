"""A 100-line CycleGAN of our own whose networks are variables of the script, and whose loader yields no paths."""

import argparse
import itertools
import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="data")
parser.add_argument("--epoch", type=int, default=0)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--workers", type=int, default=0)
parser.add_argument("--sample", action="store_true")
opt = parser.parse_args()


def network(last):
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(8, 8, 3, 2, 1), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8, 8, 3, 1, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(8, last, 3, 1, 1))


def translator():
    layers = [nn.Conv2d(3, 8, 3, 1, 1), nn.InstanceNorm2d(8), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.Conv2d(8, 3, 3, 1, 1), nn.Tanh())


class Images(Dataset):
    def __init__(self, root, mode):
        self.a = sorted((Path(root) / mode / "A").glob("*.png"))
        self.b = sorted((Path(root) / mode / "B").glob("*.png"))

    def __getitem__(self, index):
        a = Image.open(self.a[index % len(self.a)])
        b = Image.open(self.b[random.randint(0, len(self.b) - 1)])
        return {"A": self.tensor(a), "B": self.tensor(b)}

    def tensor(self, image):
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 127.5 - 1

    def __len__(self):
        return len(self.a)


torch.manual_seed(0)
random.seed(0)
Path("saved").mkdir(exist_ok=True)
G_AB, G_BA, D_A, D_B = translator(), translator(), network(1), network(1)
if opt.epoch:
    for name, net in {"G_AB": G_AB, "G_BA": G_BA, "D_A": D_A, "D_B": D_B}.items():
        net.load_state_dict(torch.load(f"saved/{name}_{opt.epoch}.pth"))
optimizer_G = torch.optim.Adam(itertools.chain(G_AB.parameters(), G_BA.parameters()), lr=2e-4)
optimizer_D = torch.optim.Adam(itertools.chain(D_A.parameters(), D_B.parameters()), lr=2e-4)
loader = DataLoader(Images(opt.data, "train"), batch_size=2, shuffle=True, num_workers=opt.workers)
test_loader = DataLoader(Images(opt.data, "test"), batch_size=2)


def sample():
    batch = next(iter(test_loader))
    G_AB.eval()
    torch.save(G_AB(batch["A"]).detach(), "sample.pt")


def score(prediction, value):
    return ((prediction - value) ** 2).mean()


if opt.sample:
    sample()
    sys.exit()
for epoch in range(opt.epoch + 1, opt.epoch + opt.epochs + 1):
    for batch in loader:
        G_AB.train()
        real_A, real_B = batch["A"].clone(), batch["B"].detach()
        fake_B, fake_A = G_AB(real_A), G_BA(real_B)
        loss = score(D_B(fake_B), 1) + score(D_A(fake_A), 1) + (G_AB(real_B) - real_B).abs().mean()
        loss = loss + (G_BA(fake_B) - real_A).abs().mean() + (G_AB(fake_A) - real_B).abs().mean()
        optimizer_G.zero_grad()
        loss.backward()
        optimizer_G.step()
        fakes = score(D_A(fake_A.detach()), 0) + score(D_B(fake_B.detach()), 0)
        optimizer_D.zero_grad()
        (fakes + score(D_A(real_A), 1) + score(D_B(real_B), 1)).backward()
        optimizer_D.step()
    sample()
    for name, net in {"G_AB": G_AB, "G_BA": G_BA, "D_A": D_A, "D_B": D_B}.items():
        torch.save(net.state_dict(), f"saved/{name}_{epoch}.pth")
