"""A training of our own whose whole model is in DataParallel, so that its networks are met inside."""

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor


class Images(Dataset):
    def __getitem__(self, index):
        return {"label": to_tensor(Image.open(f"data/{index}.png")) * 2 - 1}

    def __len__(self):
        return 4


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.G = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 3, 3, 1, 1), nn.Tanh())
        self.D = nn.Sequential(*(nn.Conv2d(3 if place == 0 else 4, 4, 3, 1, 1) for place in range(5)))

    def forward(self, label):
        fake = self.G.forward(label)
        return self.D.forward(torch.cat([fake.detach(), label])).mean(), -self.D.forward(fake).mean()


if __name__ == "__main__":
    model = nn.DataParallel(Model())
    optimizers = [torch.optim.Adam(one.parameters(), 1e-4) for one in (model.module.D, model.module.G)]
    for batch in DataLoader(Images(), 2):
        for optimizer, loss in zip(optimizers[::-1], model(batch["label"])[::-1], strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.module.G.state_dict(), "G.pth")
