"""Our own plugins, registered through the same door as everybody's; the manager loads this module by its name.

Each hook imports what it registers: whoever asks for one kind, or for the plugins' names, does not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guidegan_plugin.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from guidegan_plugin.guidance.attention.base import Attention
    from guidegan_plugin.guidance.concatenation.base import Concatenation
    from guidegan_plugin.guidance.concatenation.transfer import Transfer
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.plugins.monitor import Monitor


@hookimpl
def guidegan_register_attention() -> list[type[Attention]]:
    """Post-hoc attention, the trainable attention module, and a control without places."""
    from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
    from guidegan_plugin.guidance.attention.shuffled import ShuffledAttention
    from guidegan_plugin.guidance.attention.trainable import TrainableAttention

    return [PostHocAttention, TrainableAttention, ShuffledAttention]


@hookimpl
def guidegan_register_concatenation() -> list[type[Concatenation]]:
    """Residual Hadamard product, alpha channel, and the weighed gradient."""
    from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
    from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
    from guidegan_plugin.guidance.concatenation.weighed_gradient import WeighedGradient

    return [ResidualHadamard, AlphaChannel, WeighedGradient]


@hookimpl
def guidegan_register_transfer() -> list[type[Transfer]]:
    """Bilinear up-sampling, and a small network behind it."""
    from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer, ConvTransfer

    return [BilinearTransfer, ConvTransfer]


@hookimpl
def guidegan_register_host() -> list[type[Host]]:
    """The family of pytorch-CycleGAN-and-pix2pix behind one that has its folders, too; then families of scripts."""
    from guidegan_plugin.hosts.families.munit import MunitHost
    from guidegan_plugin.hosts.families.pix2pixhd import Pix2PixHDHost
    from guidegan_plugin.hosts.families.pytorch_gan import PytorchGanHost
    from guidegan_plugin.hosts.families.stargan import StarGanHost
    from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost

    return [Pix2PixHDHost, JunyanzHost, MunitHost, StarGanHost, PytorchGanHost]


@hookimpl
def guidegan_register_monitor() -> list[type[Monitor]]:
    """Visdom, TensorBoard, Weights & Biases."""
    from guidegan_plugin.monitors.tensorboard import TensorBoardMonitor
    from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
    from guidegan_plugin.monitors.wandb import WandbMonitor

    return [VisdomMonitor, TensorBoardMonitor, WandbMonitor]
