"""AGGAN (Mejjati et al. 2018, Unsupervised Attention-guided Image-to-Image Translation): CycleGAN on the foreground."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
from torch import nn
from util.image_pool import ImagePool

from . import networks
from .aggan_networks import AttentionNetwork, ForegroundDiscriminator, Overlay
from .base_model import BaseModel


class AGGANModel(BaseModel):
    """CycleGAN with an attention network for each domain, which says where to translate.

    G_A translates A to B where Att_A says, and D_A judges images of B; the other direction likewise (section 3.1).
    After `--attention_epochs` epochs the attention networks stay as they are, and the discriminators are given the
    foreground of real and generated images alone (section 3.2).

    The authors' TensorFlow code also takes the instance norm out of its discriminators then, and updates one direction
    after the other. Here discriminators stay as they are, and both directions are updated at once, as in the family's
    CycleGAN: the objective (section 3.1) is the same.

    Args:
        opt: Options.

    Raises:
        ValueError: `--netD` is pixel.
    """

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool = True) -> argparse.ArgumentParser:
        """Add the weights of the losses and the two phases; widths, rate and epochs are the authors' by default."""
        parser.set_defaults(no_dropout=True, ngf=32)
        if is_train:
            parser.set_defaults(lr=0.0001, n_epochs=50, n_epochs_decay=50)
            parser.add_argument("--lambda_A", type=float, default=10.0, help="weight of the cycle A -> B -> A")
            parser.add_argument("--lambda_B", type=float, default=10.0, help="weight of the cycle B -> A -> B")
            parser.add_argument(
                "--attention_epochs",
                type=int,
                default=30,
                help="so many epochs train the attention networks; then they are frozen and D sees the foreground",
            )
            parser.add_argument("--mask_threshold", type=float, default=0.1, help="foreground is where a mask is above")
        return parser

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D_A", "G_A", "cycle_A", "D_B", "G_B", "cycle_B"]
        self.visual_names = ["real_A", "fake_B", "mask_A", "rec_A", "real_B", "fake_A", "mask_B", "rec_B"]
        self.model_names = ["G_A", "G_B", "Att_A", "Att_B"] + ["D_A", "D_B"] * self.isTrain
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, opt.init_type, opt.init_gain)
        norm_layer = networks.get_norm_layer(opt.norm)
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        self.netG_B = networks.define_G(opt.output_nc, opt.input_nc, *generator)
        self.netAtt_A = AttentionNetwork(opt.input_nc, opt.ngf, norm_layer)
        self.netAtt_B = AttentionNetwork(opt.output_nc, opt.ngf, norm_layer)
        self.overlay_A, self.overlay_B = Overlay(), Overlay()
        self.epochs_ended = 0
        if not self.isTrain:
            return

        if opt.netD == "pixel":
            raise ValueError("--netD is 'pixel'; the foreground needs a PatchGAN: basic or n_layers")
        discriminator = (opt.ndf, 3 if opt.netD == "basic" else opt.n_layers_D, norm_layer, opt.mask_threshold)
        self.netD_A = ForegroundDiscriminator(opt.output_nc, *discriminator)
        self.netD_B = ForegroundDiscriminator(opt.input_nc, *discriminator)
        self.fake_A_pool = ImagePool(opt.pool_size)
        self.fake_B_pool = ImagePool(opt.pool_size)
        self.criterionGAN = networks.GANLoss(opt.gan_mode)
        self.criterionCycle = nn.L1Loss()
        self.optimizer_G = _adam(opt, self.netG_A, self.netG_B, self.netAtt_A, self.netAtt_B)
        self.optimizer_D = _adam(opt, self.netD_A, self.netD_B)
        self.optimizers = [self.optimizer_G, self.optimizer_D]

    @property
    def foreground_only(self) -> bool:
        """Whether the attention networks are trained, so that discriminators see the foreground (section 3.2)."""
        return self.opt.epoch_count + self.epochs_ended > self.opt.attention_epochs

    def set_input(self, input: dict[str, Any]) -> None:
        """Take a batch: A and B, (N, C, H, W), in [-1, 1], and their paths. `--direction BtoA` swaps them."""
        a, b = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[a].to(self.device)
        self.real_B = input[b].to(self.device)
        self.image_paths = input[f"{a}_paths"]

    def forward(self) -> None:
        """Translate both images there and back; the masks of the real images are kept."""
        self.foreground_A, self.foreground_B = self.netAtt_A(self.real_A), self.netAtt_B(self.real_B)
        self.fake_B = self.overlay_A(self.netG_A(self.real_A), self.foreground_A, self.real_A)
        self.rec_A = self.overlay_B(self.netG_B(self.fake_B), self.netAtt_B(self.fake_B), self.fake_B)
        self.fake_A = self.overlay_B(self.netG_B(self.real_B), self.foreground_B, self.real_B)
        self.rec_B = self.overlay_A(self.netG_A(self.fake_A), self.netAtt_A(self.fake_A), self.fake_A)

    def compute_visuals(self) -> None:
        """Show the masks as images."""
        self.mask_A, self.mask_B = self.foreground_A.detach() * 2 - 1, self.foreground_B.detach() * 2 - 1

    def judge(self, netD: nn.Module, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ask a discriminator about an image: the whole one at first, its foreground later.

        Args:
            netD: The discriminator.
            image: (N, C, H, W), t or s'.
            mask: (N, 1, H, W), A_T(t) or A_S(s).

        Returns:
            Logits, (N, 1, h, w).
        """
        return netD(image, mask.detach()) if self.foreground_only else netD(image)

    def backward_G(self) -> None:
        """Compute the losses of generators and attention networks (section 3.1), and their gradients."""
        self.loss_G_A = self.criterionGAN(self.judge(self.netD_A, self.fake_B, self.foreground_A), True)
        self.loss_G_B = self.criterionGAN(self.judge(self.netD_B, self.fake_A, self.foreground_B), True)
        self.loss_cycle_A = self.criterionCycle(self.rec_A, self.real_A) * self.opt.lambda_A
        self.loss_cycle_B = self.criterionCycle(self.rec_B, self.real_B) * self.opt.lambda_B
        self.loss_G = self.loss_G_A + self.loss_G_B + self.loss_cycle_A + self.loss_cycle_B
        self.loss_G.backward()

    def backward_D_basic(
        self, netD: nn.Module, real: torch.Tensor, real_mask: torch.Tensor, fake: torch.Tensor, fake_mask: torch.Tensor
    ) -> torch.Tensor:
        """Compute a discriminator's loss and its gradients; no gradient flows into images or masks.

        Args:
            netD: The discriminator.
            real: (N, C, H, W), t.
            real_mask: (N, 1, H, W), A_T(t).
            fake: (N, C, H, W), s', new or old.
            fake_mask: (N, 1, H, W), A_S(s).

        Returns:
            The loss.
        """
        loss_real = self.criterionGAN(self.judge(netD, real, real_mask), True)
        loss_fake = self.criterionGAN(self.judge(netD, fake.detach(), fake_mask), False)
        loss = (loss_real + loss_fake) * 0.5
        loss.backward()
        return loss

    def backward_D_A(self) -> None:
        """Let D_A tell images of B from fakes, new and old."""
        fake, mask = _query(self.fake_B_pool, self.fake_B, self.foreground_A)
        self.loss_D_A = self.backward_D_basic(self.netD_A, self.real_B, self.foreground_B, fake, mask)

    def backward_D_B(self) -> None:
        """Let D_B tell images of A from fakes, new and old."""
        fake, mask = _query(self.fake_A_pool, self.fake_A, self.foreground_B)
        self.loss_D_B = self.backward_D_basic(self.netD_B, self.real_A, self.foreground_A, fake, mask)

    def optimize_parameters(self) -> None:
        """Step generators and, at first, attention networks against frozen discriminators, then the discriminators."""
        self.set_requires_grad([self.netAtt_A, self.netAtt_B], not self.foreground_only)
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

    def update_learning_rate(self) -> None:
        """Step the schedules, at the end of an epoch."""
        super().update_learning_rate()
        self.epochs_ended += 1


def _query(pool: ImagePool, fake: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exchange fakes for older ones, each with its own mask."""
    joined = pool.query(torch.cat([fake, mask], dim=1))
    return joined[:, :-1], joined[:, -1:]


def _adam(opt: argparse.Namespace, *nets: nn.Module) -> torch.optim.Adam:
    parameters = itertools.chain.from_iterable(net.parameters() for net in nets)
    return torch.optim.Adam(parameters, lr=opt.lr, betas=(opt.beta1, 0.999))
