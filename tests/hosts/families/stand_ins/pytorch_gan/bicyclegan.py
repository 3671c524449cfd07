"""A BicycleGAN of our own that runs: G is told noise, an encoded one or a drawn one, and each has its judge."""

import torch
from common import Discriminator, Labelled, Two, adam, block, load, loader, options, save
from torch import nn
from torch.nn.functional import l1_loss
from torchvision.utils import save_image

Z = 3
opt = options()
generator = Labelled(Z)
encoder = nn.Sequential(*block(3, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, Z))
D_VAE = Discriminator()
D_LR = Discriminator()
load(opt, generator=generator, encoder=encoder, D_VAE=D_VAE, D_LR=D_LR)
optimizer_E = adam(encoder)
optimizer_G = adam(generator)
optimizer_D_VAE = adam(D_VAE)
optimizer_D_LR = adam(D_LR)
dataloader = loader(opt, Two(opt, "train", halves=True))
val_dataloader = loader(opt, Two(opt, "val", halves=True), 2)


def sample_images(batches_done):
    generator.eval()
    for image in next(iter(val_dataloader))["A"]:
        fakes = generator(image.view(1, *image.shape).repeat(Z, 1, 1, 1), torch.randn(Z, Z))
        save_image(fakes, f"images/{opt.dataset_name}/{batches_done}.png")
    generator.train()


for epoch in range(opt.epoch, opt.n_epochs):
    for i, batch in enumerate(dataloader):
        real_A, real_B, drawn = batch["A"], batch["B"], torch.randn(len(batch["A"]), Z)
        optimizer_E.zero_grad()
        optimizer_G.zero_grad()
        fake, other = generator(real_A, encoder(real_B)), generator(real_A, drawn)
        loss = D_VAE.compute_loss(fake, 1) + D_LR.compute_loss(other, 1) + 10 * l1_loss(fake, real_B)
        (loss + l1_loss(encoder(other), drawn)).backward()
        optimizer_E.step()
        optimizer_G.step()
        for D, optimizer, made in ((D_VAE, optimizer_D_VAE, fake), (D_LR, optimizer_D_LR, other)):
            optimizer.zero_grad()
            (D.compute_loss(real_B, 1) + D.compute_loss(made.detach(), 0)).backward()
            optimizer.step()
        if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
            sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, generator=generator, encoder=encoder, D_VAE=D_VAE, D_LR=D_LR)
