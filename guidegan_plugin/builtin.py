"""Our own features, registered through the same door as everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guidegan_plugin.guidance.attention.post_hoc import Attention, PostHocAttention
from guidegan_plugin.guidance.attention.shuffled import ShuffledAttention
from guidegan_plugin.guidance.attention.trainable import TrainableAttention
from guidegan_plugin.guidance.concatenation.base import AlphaChannel, Concatenation, ResidualHadamard
from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer, ConvTransfer, Transfer
from guidegan_plugin.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.plugins.monitor import Monitor


@hookimpl
def guidegan_register_attention() -> list[type[Attention]]:
    """Post-hoc attention, the trainable attention module, and a control without places."""
    return [PostHocAttention, TrainableAttention, ShuffledAttention]


@hookimpl
def guidegan_register_concatenation() -> list[type[Concatenation]]:
    """Residual Hadamard product and alpha channel."""
    return [ResidualHadamard, AlphaChannel]


@hookimpl
def guidegan_register_transfer() -> list[type[Transfer]]:
    """Bilinear up-sampling, and a small network behind it."""
    return [BilinearTransfer, ConvTransfer]


@hookimpl
def guidegan_register_host() -> list[type[Host]]:
    """The family of pytorch-CycleGAN-and-pix2pix."""
    from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost  # lazily, because hosts stand above plugins

    return [JunyanzHost]


@hookimpl
def guidegan_register_monitor() -> list[type[Monitor]]:
    """Visdom, TensorBoard, Weights & Biases."""
    from guidegan_plugin.monitors.tensorboard import TensorBoardMonitor  # lazily, because monitors stand above plugins
    from guidegan_plugin.monitors.visdom.monitor import VisdomMonitor
    from guidegan_plugin.monitors.wandb import WandbMonitor

    return [VisdomMonitor, TensorBoardMonitor, WandbMonitor]
