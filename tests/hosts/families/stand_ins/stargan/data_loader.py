import random
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

ATTRIBUTES = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]
KEPT = 1999  # lines that are kept for the test


class CelebA(Dataset):
    def __init__(self, config, transform):
        names, *lines = Path(config.attr_path).read_text().splitlines()[1:]
        columns = [names.split().index(name) for name in ATTRIBUTES]
        random.seed(1234)
        random.shuffle(lines)
        lines = lines[KEPT:] if config.mode == "train" else lines[:KEPT]
        rows = [line.split() for line in lines]
        self.items = [(row[0], [float(row[1:][column] == "1") for column in columns]) for row in rows]
        self.folder, self.transform = Path(config.celeba_image_dir), transform

    def __getitem__(self, index):
        name, label = self.items[index]
        return self.transform(Image.open(self.folder / name)), torch.tensor(label)

    def __len__(self):
        return len(self.items)


def get_loader(name, config):
    crop = config.celeba_crop_size if name == "CelebA" else config.rafd_crop_size
    steps = [transforms.RandomHorizontalFlip()] if config.mode == "train" else []
    steps += [transforms.CenterCrop(crop), transforms.Resize(config.image_size), transforms.ToTensor()]
    transform = transforms.Compose([*steps, transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    dataset = CelebA(config, transform) if name == "CelebA" else ImageFolder(config.rafd_image_dir, transform)
    shuffle = config.mode == "train"
    return DataLoader(dataset, config.batch_size, shuffle=shuffle, num_workers=config.num_workers)
