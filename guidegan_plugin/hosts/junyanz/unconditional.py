"""``--guide_unconditional``: the paper's GAN, whose discriminator is given the output without the input beside it.

The family's pix2pix gives its discriminator the channels of input and output, joined in this order. The discriminator
is made for the output's channels alone, and what it is called with is cut to them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.guidance.layers import convolutions, unwrap
from guidegan_plugin.hosts.junyanz.checkpoints import other_checkpoint
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.hosts.junyanz.weights_file import read_weights


@contextmanager
def output_alone(options: Any, host_model: str) -> Iterator[None]:
    """While it lasts, ``define_D`` makes a discriminator of the output where it is asked for one of both.

    Args:
        options: Of the host; without ``guide_unconditional`` nothing is done.
        host_model: As for ``--model``, without ``guide_``.

    Raises:
        HostError: If no discriminator of both was asked for.
    """
    if not getattr(options, "guide_unconditional", False):
        yield
        return
    networks: Any = sys.modules["models.networks"]
    alone, both = _channels(options)
    original, made = networks.define_D, list[nn.Module]()

    @functools.wraps(original)
    def define_D(*args: Any, **kwargs: Any) -> nn.Module:
        call = inspect.signature(original).bind(*args, **kwargs)
        channels = next(iter(call.arguments))
        if call.arguments[channels] != both:
            return original(*args, **kwargs)  # type: ignore[no-any-return]
        call.arguments[channels] = alone
        made.append(original(*call.args, **call.kwargs))
        # A hook, so that wrappers and copies of the network cut, too, and its keys stay as they are.
        unwrap(made[-1]).register_forward_pre_hook(functools.partial(_cut, alone))
        return made[-1]

    networks.define_D = define_D
    try:
        yield
    finally:
        networks.define_D = original
    if not made:
        raise HostError(
            f"model {host_model} gives no discriminator input and output together; leave out --guide_unconditional"
        )


def _channels(options: Any) -> tuple[int, int]:
    """Channels of the output, and of input and output."""
    output: int = read_option(options, "output_nc")
    return output, read_option(options, "input_nc") + output


def _cut(channels: int, network: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The output of what stands in front: input and output ``(N, C, H, W)``, or the output already."""
    images, *others = arguments
    return (images[:, -channels:] if isinstance(images, Tensor) else images, *others)


def check_resumed(model: HostModel, suffix: str) -> None:
    """Refuse to go on with a discriminator of the output as one of both, or the other way round.

    Args:
        model: The host's model, its networks built.
        suffix: First part of the names of the files the host loads.

    Raises:
        StoreError: If a discriminator's checkpoint says so, or is torn.
    """
    resumes = model.isTrain and read_option(model.opt, "continue_train")
    for name in [name for name in model.model_names if name.startswith("D")] if resumes else []:
        path, layers = Path(model.save_dir) / f"{suffix}_net_{name}.pth", convolutions(getattr(model, f"net{name}"))
        if not (path.is_file() and layers):
            continue  # the host says what is missing
        weights = read_weights(path, other_checkpoint(path))
        saved = next((weight.shape[1] for weight in weights.values() if weight.dim() == 4), None)
        if saved == layers[0][1].in_channels:
            continue
        alone, both = _channels(model.opt)
        if (saved, layers[0][1].in_channels) == (alone, both):
            raise StoreError(f"{path} was trained to judge the output alone; add --guide_unconditional")
        if (saved, layers[0][1].in_channels) == (both, alone):
            raise StoreError(f"{path} was trained to judge input and output; leave out --guide_unconditional")
