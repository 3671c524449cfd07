"""The model: networks are called by ``forward`` itself, and both losses come out of one call of the model."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks import Encoder, GlobalGenerator, LocalEnhancer, MultiscaleDiscriminator


class Pix2PixHDModel(nn.Module):
    def initialize(self, opt: Namespace) -> None:
        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name
        labels = (opt.label_nc or opt.input_nc) + (not opt.no_instance)
        kind = {"global": GlobalGenerator, "local": LocalEnhancer}[opt.netG]
        self.netG = kind(labels + opt.feat_num * opt.instance_feat, 3, opt.ngf)
        if opt.isTrain:
            self.netD = MultiscaleDiscriminator(labels + 3, opt.ndf, opt.n_layers_D, opt.num_D, not opt.no_ganFeat_loss)
        if opt.instance_feat:
            self.netE = Encoder(opt.feat_num)
        if opt.continue_train or not opt.isTrain:
            for name in self.network_names:
                self.load_network(getattr(self, name), name[-1])
        if opt.isTrain:
            weights = [*self.netG.parameters(), *(self.netE.parameters() if opt.instance_feat else ())]
            self.optimizer_G = torch.optim.Adam(weights, 0.0002, (0.5, 0.999))
            self.optimizer_D = torch.optim.Adam(self.netD.parameters(), 0.0002, (0.5, 0.999))

    @property
    def network_names(self) -> list[str]:
        return [name for name in ("netG", "netD", "netE") if hasattr(self, name)]

    def load_network(self, network: nn.Module, label: str) -> None:
        path = self.folder / f"{self.opt.which_epoch}_net_{label}.pth"
        try:
            network.load_state_dict(torch.load(path))
        except:  # noqa: E722 - as the host does: what fits is loaded
            own = network.state_dict()
            found = {key: value for key, value in torch.load(path).items() if own[key].shape == value.shape}
            network.load_state_dict({**own, **found})

    def save(self, epoch: object) -> None:
        for name in self.network_names:
            torch.save(getattr(self, name).cpu().state_dict(), self.folder / f"{epoch}_net_{name[-1]}.pth")

    def encode_input(self, label_map: Tensor, inst_map: Tensor, real_image: Tensor | None = None) -> tuple[Any, ...]:
        encoded = label_map.data
        if self.opt.label_nc:
            size = (len(encoded), self.opt.label_nc, *encoded.shape[2:])
            encoded = torch.zeros(size).scatter_(1, encoded.long(), 1.0)
        if not self.opt.no_instance:
            other = torch.zeros_like(inst_map)
            other[..., 1:] += (inst_map[..., 1:] != inst_map[..., :-1]).float()
            encoded = torch.cat((encoded, other), dim=1)
        return encoded, inst_map, None if real_image is None else real_image.data

    def translate(self, encoded: Tensor, inst: Tensor, image: Tensor | None) -> Tensor:
        if not self.opt.instance_feat:
            return self.netG.forward(encoded)
        features = torch.zeros(1, self.opt.feat_num, *encoded.shape[2:])
        if image is not None:
            features = self.netE.forward(image, inst)
        return self.netG.forward(torch.cat((encoded, features), dim=1))

    def forward(self, label: Tensor, inst: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        encoded, inst, image = self.encode_input(label, inst, image)
        fake = self.translate(encoded, inst, image)
        pooled = self.netD.forward(torch.cat((encoded, fake.detach()), dim=1))
        real = self.netD.forward(torch.cat((encoded, image.detach()), dim=1))
        judged = self.netD.forward(torch.cat((encoded, fake), dim=1))
        answers = [(one[-1], other[-1]) for one, other in zip(pooled, real, strict=True)]
        loss_D = sum(one.square().mean() + (other - 1).square().mean() for one, other in answers)
        loss_G = sum((one[-1] - 1).square().mean() for one in judged)
        for one, other in zip(judged, real, strict=True):
            loss_G = loss_G + sum(F.l1_loss(a, b.detach()) for a, b in zip(one[:-1], other[:-1], strict=True))
        return loss_G, loss_D


class InferenceModel(Pix2PixHDModel):
    def inference(self, label: Tensor, inst: Tensor) -> Tensor:
        encoded, inst, _ = self.encode_input(label, inst)
        return self.translate(encoded, inst, None)
