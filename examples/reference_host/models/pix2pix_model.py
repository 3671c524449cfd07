"""pix2pix (Isola et al. 2017): translation learnt from pairs."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import nn

from . import networks
from .base_model import BaseModel


class Pix2PixModel(BaseModel):
    """A generator, and a discriminator that sees its input and its output together, or its output alone.

    With `--lambda_L1 0` this is a conditional GAN, and with `--unconditional` as well a GAN, as in Isola et al. 2017,
    section 3.1 and table 1.

    Args:
        opt: Options.
    """

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool = True) -> argparse.ArgumentParser:
        """Choose a U-Net with batch norm and paired images; add the weight of the L1 loss."""
        parser.set_defaults(norm="batch", netG="unet_256", dataset_mode="aligned")
        if is_train:
            parser.set_defaults(pool_size=0, gan_mode="vanilla")
            parser.add_argument("--lambda_L1", type=float, default=100.0, help="weight of the L1 loss")
            parser.add_argument("--unconditional", action="store_true", help="the discriminator sees the output alone")
        return parser

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["G_GAN", "G_L1", "D_real", "D_fake"]
        self.visual_names = ["real_A", "fake_B", "real_B"]
        self.model_names = ["G", "D"] if self.isTrain else ["G"]
        self.netG = networks.define_G(
            opt.input_nc, opt.output_nc, opt.ngf, opt.netG, opt.norm, not opt.no_dropout, opt.init_type, opt.init_gain
        )
        if not self.isTrain:
            return

        judged_nc = opt.output_nc + (0 if opt.unconditional else opt.input_nc)
        self.netD = networks.define_D(
            judged_nc, opt.ndf, opt.netD, opt.n_layers_D, opt.norm, opt.init_type, opt.init_gain
        )
        self.criterionGAN = networks.GANLoss(opt.gan_mode)
        self.criterionL1 = nn.L1Loss()
        self.optimizer_G = torch.optim.Adam(self.netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizer_D = torch.optim.Adam(self.netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizers = [self.optimizer_G, self.optimizer_D]

    def set_input(self, input: dict[str, Any]) -> None:
        """Take a batch: A and B, (N, C, H, W), in [-1, 1], and their paths. `--direction BtoA` swaps them."""
        a, b = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[a].to(self.device)
        self.real_B = input[b].to(self.device)
        self.image_paths = input[f"{a}_paths"]

    def forward(self) -> None:
        """Translate A."""
        self.fake_B = self.netG(self.real_A)

    def judged(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the discriminator is given of a real or generated B, (N, C, H, W)."""
        return image if self.opt.unconditional else torch.cat([self.real_A, image], dim=1)

    def backward_D(self) -> None:
        """Compute the discriminator's losses and their gradients."""
        self.loss_D_fake = self.criterionGAN(self.netD(self.judged(self.fake_B).detach()), False)
        self.loss_D_real = self.criterionGAN(self.netD(self.judged(self.real_B)), True)
        self.loss_D = (self.loss_D_fake + self.loss_D_real) * 0.5
        self.loss_D.backward()

    def backward_G(self) -> None:
        """Compute the generator's losses and their gradients."""
        self.loss_G_GAN = self.criterionGAN(self.netD(self.judged(self.fake_B)), True)
        self.loss_G_L1 = self.criterionL1(self.fake_B, self.real_B) * self.opt.lambda_L1
        self.loss_G = self.loss_G_GAN + self.loss_G_L1
        self.loss_G.backward()

    def optimize_parameters(self) -> None:
        """Step the discriminator, then the generator against the frozen discriminator."""
        self.forward()
        self.set_requires_grad(self.netD, True)
        self.optimizer_D.zero_grad()
        self.backward_D()
        self.optimizer_D.step()
        self.set_requires_grad(self.netD, False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()
