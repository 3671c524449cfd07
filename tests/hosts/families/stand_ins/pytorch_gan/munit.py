"""A MUNIT of our own: content of one domain and a random style are decoded in the other; D is asked by its loss."""

import torch
from common import Discriminator, Two, adam, block, load, loader, options, save
from torch import nn
from torch.nn.functional import l1_loss
from torchvision.utils import save_image

STYLE = 4


class Part(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.model = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 6, 3), *layers)

    def forward(self, x):
        return self.model(x)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.content_encoder = Part(nn.InstanceNorm2d(6), nn.ReLU(), *block(6, 6, 2))
        self.style_encoder = Part(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, STYLE, 1))

    def forward(self, x):
        return self.content_encoder(x), self.style_encoder(x)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.style = nn.Linear(STYLE, 6)
        self.model = nn.Sequential(nn.Upsample(scale_factor=2), *block(6, 6), nn.Conv2d(6, 3, 3, 1, 1), nn.Tanh())

    def forward(self, content, style):
        return self.model(content + self.style(style.flatten(1))[:, :, None, None])


opt = options()
Enc1 = Encoder()
Dec1 = Decoder()
Enc2 = Encoder()
Dec2 = Decoder()
D1 = Discriminator()
D2 = Discriminator()
networks = {"Enc1": Enc1, "Dec1": Dec1, "Enc2": Enc2, "Dec2": Dec2, "D1": D1, "D2": D2}
load(opt, **networks)
optimizer_G = adam(Enc1, Dec1, Enc2, Dec2)
optimizer_D1 = adam(D1)
optimizer_D2 = adam(D2)
dataloader = loader(opt, Two(opt, "train", halves=True))
val_dataloader = loader(opt, Two(opt, "val", halves=True), 2)


def sample_images(batches_done):
    for image in next(iter(val_dataloader))["A"]:
        content, _ = Enc1(image.unsqueeze(0).repeat(3, 1, 1, 1))
        save_image(Dec2(content, torch.randn(3, STYLE)), f"images/{opt.dataset_name}/{batches_done}.png")


for epoch in range(opt.epoch, opt.n_epochs):
    for i, batch in enumerate(dataloader):
        X1, X2 = batch["A"], batch["B"]
        style_1, style_2 = torch.randn(len(X1), STYLE, 1, 1), torch.randn(len(X1), STYLE, 1, 1)
        (content_1, own_1), (content_2, own_2) = Enc1(X1), Enc2(X2)
        X11, X22 = Dec1(content_1, own_1), Dec2(content_2, own_2)
        X21, X12 = Dec1(content_2, style_1), Dec2(content_1, style_2)
        (content_21, style_21), (content_12, style_12) = Enc1(X21), Enc2(X12)
        loss = D1.compute_loss(X21, 1) + D2.compute_loss(X12, 1) + 10 * (l1_loss(X11, X1) + l1_loss(X22, X2))
        loss = loss + l1_loss(style_21, style_1) + l1_loss(style_12, style_2)
        loss = loss + l1_loss(content_12, content_1.detach()) + l1_loss(content_21, content_2.detach())
        optimizer_G.zero_grad()
        loss.backward()
        optimizer_G.step()
        for D, optimizer, real, fake in ((D1, optimizer_D1, X1, X21), (D2, optimizer_D2, X2, X12)):
            optimizer.zero_grad()
            (D.compute_loss(real, 1) + D.compute_loss(fake.detach(), 0)).backward()
            optimizer.step()
        if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
            sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, **networks)
