"""A UNIT of our own: an image is encoded with noise and decoded in the other domain, inner blocks shared."""

from common import Discriminator, Two, adam, block, load, loader, options, save
from torch import nn, randn_like
from torch.nn.functional import l1_loss
from torchvision.utils import save_image


class Encoder(nn.Module):
    def __init__(self, shared):
        super().__init__()
        self.model, self.shared = nn.Sequential(*block(3, 6, 2)), shared

    def forward(self, x):
        mu = self.shared(self.model(x))
        return mu, mu + randn_like(mu)


class Generator(nn.Module):
    def __init__(self, shared):
        super().__init__()
        last = [nn.Upsample(scale_factor=2), nn.Conv2d(6, 3, 3, 1, 1), nn.Tanh()]
        self.shared, self.model = shared, nn.Sequential(*block(6, 6), *last)

    def forward(self, x):
        return self.model(self.shared(x))


opt = options()
shared_E = nn.Sequential(*block(6, 6))
E1 = Encoder(shared_E)
E2 = Encoder(shared_E)
shared_G = nn.Sequential(*block(6, 6))
G1 = Generator(shared_G)
G2 = Generator(shared_G)
D1 = Discriminator()
D2 = Discriminator()
load(opt, E1=E1, E2=E2, G1=G1, G2=G2, D1=D1, D2=D2)
optimizer_G = adam(nn.ModuleList([E1, E2, G1, G2]))
optimizer_D1 = adam(D1)
optimizer_D2 = adam(D2)
dataloader = loader(opt, Two(opt, "train", halves=False))
val_dataloader = loader(opt, Two(opt, "test", halves=False), 2)


def sample_images(batches_done):
    images = next(iter(val_dataloader))
    save_image(G2(E1(images["A"])[1]), f"images/{opt.dataset_name}/{batches_done}.png")


for epoch in range(opt.epoch, opt.n_epochs):
    for i, batch in enumerate(dataloader):
        X1, X2 = batch["A"], batch["B"]
        (mu1, Z1), (mu2, Z2) = E1(X1), E2(X2)
        fake_X1, fake_X2 = G1(Z2), G2(Z1)
        loss = l1_loss(G1(Z1), X1) + l1_loss(G2(Z2), X2) + (mu1**2).mean() + (mu2**2).mean()
        loss = loss + l1_loss(G1(E2(fake_X2)[1]), X1) + l1_loss(G2(E1(fake_X1)[1]), X2)
        loss = loss + D1.compute_loss(fake_X1, 1) + D2.compute_loss(fake_X2, 1)
        optimizer_G.zero_grad()
        loss.backward()
        optimizer_G.step()
        for D, optimizer, real, fake in ((D1, optimizer_D1, X1, fake_X1), (D2, optimizer_D2, X2, fake_X2)):
            optimizer.zero_grad()
            (D.compute_loss(real, 1) + D.compute_loss(fake.detach(), 0)).backward()
            optimizer.step()
        if (epoch * len(dataloader) + i) % opt.sample_interval == 0:
            sample_images(epoch * len(dataloader) + i)
    save(opt, epoch, E1=E1, E2=E2, G1=G1, G2=G2, D1=D1, D2=D2)
