"""What the scripts share: options, networks and data sets; a host's folder has them as models.py and datasets.py."""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

NAME = Path(sys.argv[0]).stem  # cyclegan, ...


def options(**more):
    parser = argparse.ArgumentParser()
    numbers = {
        "epoch": 0,
        "n_epochs": 2,
        "batch_size": 1,
        "n_cpu": 8,
        "sample_interval": 100,
        "checkpoint_interval": -1,
    }
    for name, value in {**numbers, "img_height": 32, "n_critic": 2, **more}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dataset_name", default="data")
    opt, _ = parser.parse_known_args()
    for folder in ("images", "saved_models"):
        Path(folder, opt.dataset_name).mkdir(parents=True, exist_ok=True)
    return opt


def path(opt, name, epoch):
    return f"saved_models/{opt.dataset_name}/{name}_{epoch}.pth"


def load(opt, **networks):
    for name, network in networks.items():
        if opt.epoch:
            network.load_state_dict(torch.load(path(opt, name, opt.epoch)))


def save(opt, epoch, **networks):
    for name, network in networks.items():
        torch.save(network.state_dict(), path(opt, name, epoch))


def adam(*networks):
    return torch.optim.Adam([weight for network in networks for weight in network.parameters()], 1e-4, (0.5, 0.999))


def block(i, o, stride=1):
    return [nn.Conv2d(i, o, 3, stride, 1), nn.InstanceNorm2d(o), nn.ReLU(inplace=True)]


def generator(channels=3):
    return nn.Sequential(*block(channels, 6), *block(6, 6), nn.Conv2d(6, 3, 3, 1, 1), nn.Tanh())


class Labelled(nn.Module):
    """A generator that joins a label, or noise, behind the image."""

    def __init__(self, labels):
        super().__init__()
        self.model = generator(3 + labels)

    def forward(self, x, c):
        return self.model(torch.cat((x, c[:, :, None, None].repeat(1, 1, *x.shape[2:])), 1))


class Discriminator(nn.Module):
    """Of one image, or of two; with labels it answers twice."""

    def __init__(self, channels=3, labels=0):
        super().__init__()
        widths = ((channels, 6), (6, 8), (8, 8), (8, 8))
        layers = [m for i, o in widths for m in (nn.Conv2d(i, o, 4, 2 if i < 8 else 1, 1), nn.LeakyReLU(0.2))]
        self.model, self.real = nn.Sequential(*layers), nn.Conv2d(8, 1, 3, 1, 1)
        self.label = nn.Conv2d(8, labels, 6) if labels else None

    def forward(self, *images):
        hidden = self.model(torch.cat(images, 1))
        return self.real(hidden) if self.label is None else (self.real(hidden), self.label(hidden).mean((2, 3)))

    def compute_loss(self, x, value):
        return ((self.forward(x) - value) ** 2).mean()


def penalty(discriminator, real, fake):
    share = torch.from_numpy(np.random.random((len(real), 1, 1, 1))).float()
    mixed = (share * real + (1 - share) * fake).requires_grad_(True)
    answer = discriminator(mixed)
    answer = answer[0] if isinstance(answer, tuple) else answer
    gradient = torch.autograd.grad(answer, mixed, torch.ones_like(answer), create_graph=True)[0]
    return ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


class Two(Dataset):
    """Two files an item, B's drawn at random; or one file with both halves, mirrored at random."""

    def __init__(self, opt, mode, halves):
        root, size = f"../../data/{opt.dataset_name}/{mode}", (opt.img_height, opt.img_height)
        self.files = [sorted(Path(root, where).glob("*.*")) for where in ([""] if halves else ["A", "B"])]
        steps = [transforms.Resize(size, Image.BICUBIC), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

    def __getitem__(self, index):
        first = Image.open(self.files[0][index % len(self.files[0])])
        if len(self.files) > 1:
            images = first, Image.open(self.files[1][random.randint(0, len(self.files[1]) - 1)])
        else:
            w, h = first.size
            images = first.crop((0, 0, w / 2, h)), first.crop((w / 2, 0, w, h))
            if np.random.random() < 0.5:
                images = [Image.fromarray(np.array(image)[:, ::-1, :]) for image in images]
        return dict(zip("AB", map(self.transform, images), strict=True))

    def __len__(self):
        return len(self.files[0])


class Attributes(Two):
    """One file an item, and a label; the last 2000 files are for validation."""

    def __init__(self, opt, mode):
        super().__init__(opt, ".", halves=True)
        files = sorted(Path("../../data", opt.data).glob("*.jpg"))
        self.files = [files[:-2000] if mode == "train" else files[-2000:]]

    def __getitem__(self, index):
        label = [float(index >> bit & 1) for bit in range(5)]
        return self.transform(Image.open(self.files[0][index])), torch.tensor(label)


def loader(opt, dataset, batch=None):
    return DataLoader(dataset, batch or opt.batch_size, shuffle=True, num_workers=0 if batch else opt.n_cpu)
