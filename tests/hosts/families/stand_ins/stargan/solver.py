import itertools

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.utils import save_image


class Generator(nn.Module):
    def __init__(self, width, labels):
        super().__init__()
        layers = [nn.Conv2d(3 + labels, width, 7, 1, 3, bias=False), nn.InstanceNorm2d(width, affine=True), nn.ReLU()]
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(2 * width, width, 4, 2, 1)]
        self.main = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, 3, 7, 1, 3, bias=False), nn.Tanh())

    def forward(self, x, c):
        return self.main(torch.cat([x, c[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1))


class Discriminator(nn.Module):
    def __init__(self, size, width, labels, depth):
        super().__init__()
        widths = [3, *(width * 2**layer for layer in range(depth))]
        pairs = itertools.pairwise(widths)
        self.main = nn.Sequential(*(m for i, o in pairs for m in (nn.Conv2d(i, o, 4, 2, 1), nn.LeakyReLU(0.01))))
        self.source = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.label = nn.Conv2d(widths[-1], labels, size // 2**depth, bias=False)

    def forward(self, x):
        hidden = self.main(x)
        return self.source(hidden), self.label(hidden).flatten(1)


class Solver:
    def __init__(self, loaders, config):
        self.loaders, self.config = loaders, config
        both = config.dataset == "Both"
        labels = config.c_dim + both * config.c2_dim
        self.G = Generator(config.g_conv_dim, labels + 2 * both)
        self.D = Discriminator(config.image_size, config.d_conv_dim, labels, config.d_repeat_num)
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), 1e-4, (0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), 1e-4, (0.5, 0.999))

    def path(self, step, name):
        return f"{self.config.model_save_dir}/{step}-{name}.ckpt"

    def restore(self, step):
        self.G.load_state_dict(torch.load(self.path(step, "G")))
        self.D.load_state_dict(torch.load(self.path(step, "D")))

    def labels(self, dataset, raw):
        """What D is asked for, and what G is given: with a mask behind the labels of both data sets."""
        c, c2 = self.config.c_dim, self.config.c2_dim
        one = raw if dataset == "CelebA" else F.one_hot(raw, c2 if self.config.dataset == "Both" else c).float()
        if self.config.dataset != "Both":
            return one, one
        mask = torch.tensor([dataset == "CelebA", dataset == "RaFD"]).float().expand(len(one), 2)
        zeros = torch.zeros(len(one), c2 if dataset == "CelebA" else c)
        return one, torch.cat([one, zeros, mask] if dataset == "CelebA" else [zeros, one, mask], 1)

    def train(self):
        self.train_on([self.config.dataset])

    def train_multi(self):
        self.train_on(["CelebA", "RaFD"])

    def train_on(self, datasets):
        iterators = {name: iter(self.loaders[name]) for name in datasets}
        fixed, raw = next(iterators[datasets[0]])
        _, targets = self.labels(datasets[0], raw)
        if self.config.resume_iters:
            self.restore(self.config.resume_iters)
        for i in range(self.config.resume_iters, self.config.num_iters):
            for name in datasets:
                try:
                    x, raw = next(iterators[name])
                except:  # noqa: E722  the host's own habit: whatever happens, the loader is read anew
                    iterators[name] = iter(self.loaders[name])
                    x, raw = next(iterators[name])
                self.step(name, x, raw, i)
            if (i + 1) % self.config.sample_step == 0:
                with torch.no_grad():
                    images = [fixed, self.G(fixed, targets)]
                    save_image(torch.cat(images, 3), f"{self.config.sample_dir}/{i + 1}-images.jpg")
            if (i + 1) % self.config.model_save_step == 0:
                torch.save(self.G.state_dict(), self.path(i + 1, "G"))
                torch.save(self.D.state_dict(), self.path(i + 1, "D"))

    def score(self, dataset, label, wanted):
        label = label[:, : self.config.c_dim] if dataset == "CelebA" else label[:, -wanted.shape[1] :]
        return F.binary_cross_entropy_with_logits(label, wanted)

    def step(self, dataset, x, raw, i):
        own, own_given = self.labels(dataset, raw)
        target, given = self.labels(dataset, raw[torch.randperm(len(raw))])
        fake = self.G(x, given)
        share = torch.rand(len(x), 1, 1, 1)
        mixed = (share * x.data + (1 - share) * fake.data).requires_grad_(True)
        source, _ = self.D(mixed)
        gradient = torch.autograd.grad(source, mixed, torch.ones_like(source), create_graph=True)[0]
        source, label = self.D(x)
        loss = -source.mean() + self.D(fake.detach())[0].mean() + self.score(dataset, label, own)
        self.update(self.d_optimizer, loss + 10 * (gradient.flatten(1).norm(dim=1) - 1).square().mean())
        if (i + 1) % self.config.n_critic == 0:
            fake = self.G(x, given)
            source, label = self.D(fake)
            again = self.G(fake, own_given)
            loss = -source.mean() + self.score(dataset, label, target) + 10 * (x - again).abs().mean()
            self.update(self.g_optimizer, loss)

    def update(self, optimizer, loss):
        self.g_optimizer.zero_grad()
        self.d_optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def test(self):
        self.restore(self.config.test_iters)
        name = "RaFD" if self.config.dataset == "RaFD" else "CelebA"
        with torch.no_grad():
            for number, (x, raw) in enumerate(self.loaders[name]):
                _, targets = self.labels(name, raw)
                images = torch.cat([x, self.G(x, targets)], 3)
                save_image(images, f"{self.config.result_dir}/{number + 1}-images.jpg")
