"""A pix2pix of our own: from B of the batch to A, and a discriminator of two arguments."""

from common import Discriminator, Two, adam, load, loader, options, save
from common import generator as new_generator
from torch.nn.functional import l1_loss
from torchvision.utils import save_image

opt = options()
generator = new_generator()
discriminator = Discriminator(6)
load(opt, generator=generator, discriminator=discriminator)
optimizer_G = adam(generator)
optimizer_D = adam(discriminator)
dataloader = loader(opt, Two(opt, "train", halves=True))
val_dataloader = loader(opt, Two(opt, "val", halves=True), 2)


def sample_images(batches_done):
    fake_B = generator(next(iter(val_dataloader))["B"])
    save_image(fake_B, f"images/{opt.dataset_name}/{batches_done}.png")


def score(value, *images):
    return ((discriminator(*images) - value) ** 2).mean()


for epoch in range(opt.epoch, opt.n_epochs):
    for i, batch in enumerate(dataloader):
        real_A, real_B = batch["B"], batch["A"]
        fake_B = generator(real_A)
        optimizer_G.zero_grad()
        (score(1, fake_B, real_A) + 100 * l1_loss(fake_B, real_B)).backward()
        optimizer_G.step()
        optimizer_D.zero_grad()
        (score(1, real_B, real_A) + score(0, fake_B.detach(), real_A)).backward()
        optimizer_D.step()
        if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
            sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, generator=generator, discriminator=discriminator)
