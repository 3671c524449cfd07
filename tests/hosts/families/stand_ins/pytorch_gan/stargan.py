"""A StarGAN of our own in one script: G is told its target by a random label, and updated in some steps."""

import numpy as np
import torch
from common import Attributes, Discriminator, Labelled, adam, load, loader, options, penalty, save
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss
from torchvision.utils import save_image

opt = options()
opt.dataset_name, opt.data = "", opt.dataset_name  # its checkpoints lie in no folder of the data set's
generator = Labelled(5)
discriminator = Discriminator(labels=5)
load(opt, generator=generator, discriminator=discriminator)
optimizer_G = adam(generator)
optimizer_D = adam(discriminator)
dataloader = loader(opt, Attributes(opt, "train"))
val_dataloader = loader(opt, Attributes(opt, "val"), 2)


def sample_images(batches_done):
    for image, label in zip(*next(iter(val_dataloader)), strict=True):
        fakes = generator(image.repeat(5, 1, 1, 1), label.repeat(5, 1))
        save_image(fakes, f"images/{batches_done}.png")


for epoch in range(opt.epoch, opt.n_epochs):
    for i, (imgs, labels) in enumerate(dataloader):
        sampled = torch.from_numpy(np.random.randint(0, 2, (len(imgs), 5))).float()
        fakes = generator(imgs, sampled)
        real, guess = discriminator(imgs)
        loss = discriminator(fakes.detach())[0].mean() - real.mean() + binary_cross_entropy_with_logits(guess, labels)
        optimizer_D.zero_grad()
        (loss + 10 * penalty(discriminator, imgs.data, fakes.data)).backward()
        optimizer_D.step()
        optimizer_G.zero_grad()
        if i % opt.n_critic == 0:
            fakes = generator(imgs, sampled)
            again = generator(fakes, labels)
            real, guess = discriminator(fakes)
            loss = binary_cross_entropy_with_logits(guess, sampled) - real.mean() + 10 * l1_loss(again, imgs)
            loss.backward()
            optimizer_G.step()
            if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
                sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, generator=generator, discriminator=discriminator)
