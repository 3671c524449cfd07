"""CycleGAN, DiscoGAN and DualGAN of our own in one script, which does what its name says."""

from common import NAME, Discriminator, Two, adam, generator, load, loader, options, penalty, save
from torch.nn.functional import l1_loss
from torchvision.utils import save_image

opt = options()
G_AB = generator()
G_BA = generator()
D_A = Discriminator()
D_B = Discriminator()
load(opt, G_AB=G_AB, G_BA=G_BA, D_A=D_A, D_B=D_B)
optimizer_G = adam(G_AB, G_BA)
optimizer_D_A = adam(D_A)
optimizer_D_B = adam(D_B)
dataloader = loader(opt, Two(opt, "train", halves=NAME != "cyclegan"))
val_dataloader = loader(opt, Two(opt, "test" if NAME == "cyclegan" else "val", halves=NAME != "cyclegan"), 2)


def sample_images(batches_done):
    images = next(iter(val_dataloader))
    if NAME != "dualgan":  # which stays in training mode
        G_AB.eval()
        G_BA.eval()
    save_image(G_BA(images["B"]), f"images/{opt.dataset_name}/{batches_done}.png")
    save_image(G_AB(images["A"]), f"images/{opt.dataset_name}/{batches_done}.png")


def wasserstein(discriminator, real, fake):
    return discriminator(fake).mean() - discriminator(real).mean() + 10 * penalty(discriminator, real, fake)


def train_generators(real_A, real_B):
    fake_A, fake_B = G_BA(real_B), G_AB(real_A)
    loss = l1_loss(G_BA(fake_B), real_A) + l1_loss(G_AB(fake_A), real_B)
    if NAME == "cyclegan":
        loss = loss + l1_loss(G_BA(real_A), real_A) + l1_loss(G_AB(real_B), real_B)
    if NAME == "dualgan":
        loss = 10 * loss - D_A(fake_A).mean() - D_B(fake_B).mean()
    else:
        loss = loss + D_A.compute_loss(fake_A, 1) + D_B.compute_loss(fake_B, 1)
    optimizer_G.zero_grad()
    loss.backward()
    optimizer_G.step()
    return fake_A.detach(), fake_B.detach()


def train_discriminators(real_A, real_B, fake_A, fake_B):
    for D, optimizer, real, fake in ((D_A, optimizer_D_A, real_A, fake_A), (D_B, optimizer_D_B, real_B, fake_B)):
        optimizer.zero_grad()
        loss = wasserstein(D, real, fake) if NAME == "dualgan" else D.compute_loss(real, 1) + D.compute_loss(fake, 0)
        loss.backward()
        optimizer.step()


for epoch in range(opt.epoch, opt.n_epochs):
    for i, batch in enumerate(dataloader):
        real_A, real_B = batch["A"], batch["B"]
        G_AB.train()
        G_BA.train()
        if NAME == "dualgan":
            train_discriminators(real_A, real_B, G_BA(real_B).detach(), G_AB(real_A).detach())
            if i % opt.n_critic == 0:
                train_generators(real_A, real_B)
        else:
            train_discriminators(real_A, real_B, *train_generators(real_A, real_B))
        if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
            sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, G_AB=G_AB, G_BA=G_BA, D_A=D_A, D_B=D_B)
