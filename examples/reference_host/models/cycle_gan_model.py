"""CycleGAN (Zhu et al. 2017): translation between two domains without pairs."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
from torch import nn
from util.image_pool import ImagePool

from . import networks
from .base_model import BaseModel


class CycleGANModel(BaseModel):
    """Two generators that undo each other, and a discriminator for what each of them makes.

    G_A translates A to B and D_A judges images of B; G_B translates B to A and D_B judges images of A.

    Args:
        opt: Options.

    Raises:
        ValueError: `--lambda_identity` is above 0 and the domains differ in channels.
    """

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool = True) -> argparse.ArgumentParser:
        """Add the weights of the losses; dropout is off by default."""
        parser.set_defaults(no_dropout=True)
        if is_train:
            parser.add_argument("--lambda_A", type=float, default=10.0, help="weight of the cycle A -> B -> A")
            parser.add_argument("--lambda_B", type=float, default=10.0, help="weight of the cycle B -> A -> B")
            parser.add_argument(
                "--lambda_identity", type=float, default=0.5, help="weight of the identity loss, times that of a cycle"
            )
        return parser

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
        self.model_names = ["G_A", "G_B", "D_A", "D_B"] if self.isTrain else ["G_A", "G_B"]
        with_identity = self.isTrain and opt.lambda_identity > 0
        self.visual_names = ["real_A", "fake_B", "rec_A"] + ["idt_B"] * with_identity
        self.visual_names += ["real_B", "fake_A", "rec_B"] + ["idt_A"] * with_identity

        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, opt.init_type, opt.init_gain)
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        self.netG_B = networks.define_G(opt.output_nc, opt.input_nc, *generator)
        if not self.isTrain:
            return

        if with_identity and opt.input_nc != opt.output_nc:
            raise ValueError("--lambda_identity above 0 needs --input_nc and --output_nc to be equal")
        discriminator = (opt.ndf, opt.netD, opt.n_layers_D, opt.norm, opt.init_type, opt.init_gain)
        self.netD_A = networks.define_D(opt.output_nc, *discriminator)
        self.netD_B = networks.define_D(opt.input_nc, *discriminator)
        self.fake_A_pool = ImagePool(opt.pool_size)
        self.fake_B_pool = ImagePool(opt.pool_size)
        self.criterionGAN = networks.GANLoss(opt.gan_mode)
        self.criterionCycle = nn.L1Loss()
        self.criterionIdt = nn.L1Loss()
        self.optimizer_G = _adam(opt, self.netG_A, self.netG_B)
        self.optimizer_D = _adam(opt, self.netD_A, self.netD_B)
        self.optimizers = [self.optimizer_G, self.optimizer_D]

    def set_input(self, input: dict[str, Any]) -> None:
        """Take a batch: A and B, (N, C, H, W), in [-1, 1], and their paths. `--direction BtoA` swaps them."""
        a, b = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[a].to(self.device)
        self.real_B = input[b].to(self.device)
        self.image_paths = input[f"{a}_paths"]

    def forward(self) -> None:
        """Translate both images there and back."""
        self.fake_B = self.netG_A(self.real_A)
        self.rec_A = self.netG_B(self.fake_B)
        self.fake_A = self.netG_B(self.real_B)
        self.rec_B = self.netG_A(self.fake_A)

    def backward_G(self) -> None:
        """Compute the generators' losses and their gradients."""
        opt = self.opt
        if opt.lambda_identity > 0:
            self.idt_A = self.netG_A(self.real_B)
            self.idt_B = self.netG_B(self.real_A)
            self.loss_idt_A = self.criterionIdt(self.idt_A, self.real_B) * opt.lambda_B * opt.lambda_identity
            self.loss_idt_B = self.criterionIdt(self.idt_B, self.real_A) * opt.lambda_A * opt.lambda_identity
        else:
            self.loss_idt_A = self.loss_idt_B = 0.0
        self.loss_G_A = self.criterionGAN(self.netD_A(self.fake_B), True)
        self.loss_G_B = self.criterionGAN(self.netD_B(self.fake_A), True)
        self.loss_cycle_A = self.criterionCycle(self.rec_A, self.real_A) * opt.lambda_A
        self.loss_cycle_B = self.criterionCycle(self.rec_B, self.real_B) * opt.lambda_B
        self.loss_G = self.loss_G_A + self.loss_G_B + self.loss_cycle_A + self.loss_cycle_B
        self.loss_G = self.loss_G + self.loss_idt_A + self.loss_idt_B
        self.loss_G.backward()

    def backward_D_basic(self, netD: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Compute a discriminator's loss and its gradients.

        Args:
            netD: The discriminator.
            real: (N, C, H, W).
            fake: (N, C, H, W); no gradient flows into it.

        Returns:
            The loss.
        """
        loss_real = self.criterionGAN(netD(real), True)
        loss_fake = self.criterionGAN(netD(fake.detach()), False)
        loss = (loss_real + loss_fake) * 0.5
        loss.backward()
        return loss

    def backward_D_A(self) -> None:
        """Let D_A tell images of B from fakes, new and old."""
        self.loss_D_A = self.backward_D_basic(self.netD_A, self.real_B, self.fake_B_pool.query(self.fake_B))

    def backward_D_B(self) -> None:
        """Let D_B tell images of A from fakes, new and old."""
        self.loss_D_B = self.backward_D_basic(self.netD_B, self.real_A, self.fake_A_pool.query(self.fake_A))

    def optimize_parameters(self) -> None:
        """Step the generators against frozen discriminators, then the discriminators."""
        self.forward()
        self.set_requires_grad([self.netD_A, self.netD_B], False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()
        self.set_requires_grad([self.netD_A, self.netD_B], True)
        self.optimizer_D.zero_grad()
        self.backward_D_A()
        self.backward_D_B()
        self.optimizer_D.step()


def _adam(opt: argparse.Namespace, *nets: nn.Module) -> torch.optim.Adam:
    parameters = itertools.chain.from_iterable(net.parameters() for net in nets)
    return torch.optim.Adam(parameters, lr=opt.lr, betas=(opt.beta1, 0.999))
