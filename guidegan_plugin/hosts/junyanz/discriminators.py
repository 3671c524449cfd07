"""The discriminator at test time, when the host leaves it out: built as the options say, loaded as the host loads."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.checkpoints import other_checkpoint
from guidegan_plugin.hosts.junyanz.host_options import DEFAULTS, name_of_option, read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.hosts.junyanz.weights_file import read_weights

# What decides which weights a discriminator of the family has.
_ARCHITECTURE = ("netD", "ndf", "n_layers_D", "norm")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def load_discriminator(model: HostModel, path: Path) -> nn.Module:
    """A discriminator as it was trained, in training mode: so it made the maps that its generator learned from.

    Batch norm then takes the statistics of the images that it is shown, whatever the host's ``--eval`` says of the
    host's own networks.

    Args:
        model: The host's model, at test time.
        path: The discriminator's checkpoint.

    Raises:
        HostError: If there is no such file, or the options make another discriminator than the file's.
        StoreError: If the file is torn.
    """
    cure = "or leave out --guide_show and --guide_refine"
    if not os.path.lexists(path):
        raise HostError(f"no discriminator {path} to look with; {other_checkpoint(path)}, {cure}")
    # A host on the CPU saves the networks that it wrapped (DataParallel) under the names they have there.
    saved = read_weights(path, f"{other_checkpoint(path)}, {cure}")
    weights = {key.removeprefix("module."): weight for key, weight in saved.items()}
    discriminator = _build(model, weights)
    _drop_stale_statistics(weights, discriminator)
    try:
        discriminator.load_state_dict(weights)
    except RuntimeError as error:  # other names, or other shapes: torch lists them all
        given = " ".join(f"{name_of_option(model.opt, name)} {read_option(model.opt, name)}" for name in _ARCHITECTURE)
        raise HostError(
            f"{path} holds another discriminator than {given} makes; give these as the training was given them, {cure}"
        ) from error
    return discriminator.to(model.device)


def _build(model: HostModel, weights: dict[str, Tensor]) -> nn.Module:
    """What the host's ``define_D`` makes; forks give it further parameters, which are options by the same name."""
    define = sys.modules["models.networks"].define_D
    first, *others = inspect.signature(define).parameters
    # Weights without a convolution are another network's, whatever is built.
    arguments: dict[str, object] = {first: next((w.shape[1] for w in weights.values() if w.dim() == 4), 3)}
    for name in others:
        if name == "gpu_ids":  # not wrapped: it is called on one device
            continue
        if name == "opt":
            arguments[name] = model.opt
        elif name in DEFAULTS:
            arguments[name] = read_option(model.opt, name)
        elif hasattr(model.opt, name):
            arguments[name] = getattr(model.opt, name)
    with torch.random.fork_rng():  # a test draws the same dropout with and without it
        network: nn.Module = define(**arguments)
    return network


def _drop_stale_statistics(weights: dict[str, Tensor], network: nn.Module) -> None:
    """Drop what instance norm saved before torch 0.4 and knows no more, as the host does for its own networks."""
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.instancenorm._InstanceNorm):
            for statistic in _STATISTICS:
                if getattr(module, statistic, None) is None:
                    weights.pop(f"{name}.{statistic}", None)
