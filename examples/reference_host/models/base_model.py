"""The base of all models."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from util.util import get_rank

from . import networks


class BaseModel(ABC):
    """Networks, losses and optimizers of one method.

    A subclass calls this `__init__`, fills the lists of names, and makes `self.net<name>` for each of `model_names`,
    `self.loss_<name>` for each of `loss_names` and `self.<name>` for each of `visual_names`.

    Args:
        opt: Options, with `isTrain` and `device`.

    Attributes:
        opt: The options.
        isTrain: Whether this is training.
        device: Where the networks are.
        save_dir: Folder of the checkpoints.
        loss_names: Losses to print.
        model_names: Networks to initialise, load and save.
        visual_names: Images to show.
        optimizers: Made in `__init__` of the subclass, when training.
        image_paths: Files of the current batch.
        metric: What `--lr_policy plateau` watches.
    """

    def __init__(self, opt: argparse.Namespace) -> None:
        self.opt = opt
        self.isTrain: bool = opt.isTrain
        self.device: torch.device = opt.device
        self.save_dir = Path(opt.checkpoints_dir) / opt.name
        self.loss_names: list[str] = []
        self.model_names: list[str] = []
        self.visual_names: list[str] = []
        self.optimizers: list[Optimizer] = []
        self.image_paths: list[str] = []
        self.metric: float = 0.0

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        """Add options of this model, or change defaults; return the parser."""
        return parser

    @abstractmethod
    def set_input(self, input: dict[str, Any]) -> None:
        """Take a batch from the loader."""

    @abstractmethod
    def forward(self) -> None:
        """Compute the images of the current batch."""

    @abstractmethod
    def optimize_parameters(self) -> None:
        """Do one training step."""

    def setup(self, opt: argparse.Namespace) -> None:
        """Initialise each network, load it, move it and make it distributed; then print and schedule.

        Args:
            opt: Options.

        Raises:
            FileNotFoundError: A checkpoint that has to be loaded is not there.
        """
        suffix = f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch
        for name in self.model_names:
            net = networks.init_net(getattr(self, f"net{name}"), opt.init_type, opt.init_gain)
            if not self.isTrain or opt.continue_train:
                self._load_network(net, name, suffix)
            net = net.to(self.device)
            if dist.is_initialized():
                gpus = [self.device.index] if self.device.type == "cuda" else None
                # Only the first process saves, and the statistics of batch norm it would broadcast are its own.
                net = DistributedDataParallel(net, device_ids=gpus, broadcast_buffers=False)
            setattr(self, f"net{name}", net)
        self.print_networks(opt.verbose)
        if self.isTrain:
            self.schedulers = [networks.get_scheduler(optimizer, opt) for optimizer in self.optimizers]

    def eval(self) -> None:
        """Put all networks into eval mode."""
        for name in self.model_names:
            getattr(self, f"net{name}").eval()

    def test(self) -> None:
        """Compute the images of the current batch without gradients."""
        with torch.no_grad():
            self.forward()
            self.compute_visuals()

    def compute_visuals(self) -> None:  # noqa: B027 - a hook that most models leave alone
        """Compute further images to show; none by default."""

    def get_image_paths(self) -> list[str]:
        """Files of the current batch."""
        return self.image_paths

    def update_learning_rate(self) -> None:
        """Step the schedules, at the end of an epoch."""
        before = self.optimizers[0].param_groups[0]["lr"]
        for scheduler in self.schedulers:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(self.metric)
            else:
                scheduler.step()
        if get_rank() == 0:
            print(f"learning rate {before:.7f} -> {self.optimizers[0].param_groups[0]['lr']:.7f}", flush=True)

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Label to image, (N, C, H, W), in [-1, 1]."""
        return {name: getattr(self, name) for name in self.visual_names}

    def get_current_losses(self) -> dict[str, float]:
        """Name to value; waits for the device."""
        losses = {name: getattr(self, f"loss_{name}") for name in self.loss_names}
        return {name: float(loss.detach() if torch.is_tensor(loss) else loss) for name, loss in losses.items()}

    def save_networks(self, epoch: int | str) -> None:
        """Write `<epoch>_net_<name>.pth` for each network; only the first process does."""
        if get_rank() != 0:
            return
        for name in self.model_names:
            weights = _unwrap(getattr(self, f"net{name}")).state_dict()
            for key in weights:  # in place, because the dictionary carries version numbers
                weights[key] = weights[key].cpu()
            torch.save(weights, self._checkpoint(name, epoch))

    def load_networks(self, epoch: int | str) -> None:
        """Load `<epoch>_net_<name>.pth` into each network."""
        for name in self.model_names:
            self._load_network(_unwrap(getattr(self, f"net{name}")), name, epoch)

    def print_networks(self, verbose: bool) -> None:
        """Print the number of parameters of each network, or its layers too."""
        if get_rank() != 0:
            return
        for name in self.model_names:
            net = getattr(self, f"net{name}")
            if verbose:
                print(net)
            count = sum(parameter.numel() for parameter in net.parameters())
            print(f"network {name}: {count / 1e6:.3f} million parameters", flush=True)

    def set_requires_grad(self, nets: nn.Module | Iterable[nn.Module], requires_grad: bool = False) -> None:
        """Freeze networks, or thaw them."""
        for net in [nets] if isinstance(nets, nn.Module) else nets:
            net.requires_grad_(requires_grad)

    def _checkpoint(self, name: str, epoch: int | str) -> Path:
        return self.save_dir / f"{epoch}_net_{name}.pth"

    def _load_network(self, net: nn.Module, name: str, epoch: int | str) -> None:
        path = self._checkpoint(name, epoch)
        if not path.is_file():
            found = ", ".join(sorted(file.name for file in self.save_dir.glob("*_net_*.pth"))) or "none"
            raise FileNotFoundError(
                f"no checkpoint '{path}' (checkpoints there: {found}); check --checkpoints_dir, --name and --epoch, "
                "and --model_suffix with --model test"
            )
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)


def _unwrap(net: nn.Module) -> nn.Module:
    """Take a network out of DistributedDataParallel, and then out of torch.compile."""
    net = getattr(net, "module", net)
    return getattr(net, "_orig_mod", net)
