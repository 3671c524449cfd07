"""The trainers: networks, optimizers and steps in one module, ``trainer.gen_a`` to ``trainer.dis_b``."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import torch
from networks import AdaINGen, MsImageDis, VAEGen
from torch import Tensor, nn


class MUNIT_Trainer(nn.Module):
    generator: type[nn.Module] = AdaINGen

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.gen_a, self.gen_b = (self.generator(3, config["gen"]) for _ in "ab")
        self.dis_a, self.dis_b = (MsImageDis(3, config["dis"]) for _ in "ab")
        self.style_dim = config["gen"]["style_dim"]
        networks = {"gen": (self.gen_a, self.gen_b), "dis": (self.dis_a, self.dis_b)}
        for name, both in networks.items():
            weights = chain.from_iterable(one.parameters() for one in both)
            setattr(self, f"{name}_opt", torch.optim.Adam(weights, config["lr"], (0.5, 0.999), weight_decay=1e-4))
        self.schedule(-1)

    def schedule(self, done: int) -> None:
        both = (self.gen_opt, self.dis_opt)
        self.schedulers = [torch.optim.lr_scheduler.StepLR(one, 1000, 0.5, last_epoch=done) for one in both]

    def translate(self, code: tuple[Tensor, Tensor], to: nn.Module) -> Tensor:
        return to.decode(code[0], torch.randn(len(code[0]), self.style_dim, 1, 1))

    def rebuild(self, code: tuple[Tensor, Tensor], to: nn.Module) -> Tensor:
        return to.decode(*code)

    def dis_update(self, x_a: Tensor, x_b: Tensor) -> None:
        self.dis_opt.zero_grad()
        c_a, c_b = self.gen_a.encode(x_a), self.gen_b.encode(x_b)
        x_ba, x_ab = self.translate(c_b, self.gen_a), self.translate(c_a, self.gen_b)
        (self.dis_a.calc_dis_loss(x_ba.detach(), x_a) + self.dis_b.calc_dis_loss(x_ab.detach(), x_b)).backward()
        self.dis_opt.step()

    def gen_update(self, x_a: Tensor, x_b: Tensor) -> None:
        self.gen_opt.zero_grad()
        c_a, c_b = self.gen_a.encode(x_a), self.gen_b.encode(x_b)
        loss = (self.rebuild(c_a, self.gen_a) - x_a).abs().mean() + (self.rebuild(c_b, self.gen_b) - x_b).abs().mean()
        x_ba, x_ab = self.translate(c_b, self.gen_a), self.translate(c_a, self.gen_b)
        for again, code in ((self.gen_a.encode(x_ba), c_b), (self.gen_b.encode(x_ab), c_a)):
            loss = loss + (again[0] - code[0]).abs().mean()
        (loss + self.dis_a.calc_gen_loss(x_ba) + self.dis_b.calc_gen_loss(x_ab)).backward()
        self.gen_opt.step()

    def sample(self, x_a: Tensor) -> Tensor:
        self.eval()
        made = torch.cat([self.translate(self.gen_a.encode(one[None]), self.gen_b) for one in x_a])
        self.train()
        return made

    def save(self, folder: Path, done: int) -> None:
        for name in ("gen", "dis"):
            both = {domain: getattr(self, f"{name}_{domain}").state_dict() for domain in "ab"}
            torch.save(both, folder / f"{name}_{done:08d}.pt")
        both = {name: getattr(self, f"{name}_opt").state_dict() for name in ("gen", "dis")}
        torch.save(both, folder / "optimizer.pt")

    def resume(self, folder: Path) -> int:
        for name in ("gen", "dis"):
            newest = max(folder.glob(f"{name}_*.pt"))
            for domain, state in torch.load(newest).items():
                getattr(self, f"{name}_{domain}").load_state_dict(state)
        for name, state in torch.load(folder / "optimizer.pt").items():
            getattr(self, f"{name}_opt").load_state_dict(state)
        done = int(newest.stem.rpartition("_")[2])
        self.schedule(done)
        return done


class UNIT_Trainer(MUNIT_Trainer):
    generator = VAEGen

    def translate(self, code: tuple[Tensor, Tensor], to: nn.Module) -> Tensor:
        return to.decode(code[0] + code[1] if self.training else code[0])

    rebuild = translate
