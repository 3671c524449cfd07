"""New parameters in a training somebody else set up: they join those of the network they serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.concatenation.transfer import Transfer

TRANSFER = "T"


def suffixes(pair: str, attentions: Sequence[Attention]) -> list[tuple[Attention, str]]:
    """What follows the names of a mechanism's new networks, for each discriminator's: ``_A``, ``2_A``, ..."""
    return [(one, f"{number if number > 1 else ''}_{pair}") for number, one in enumerate(attentions, start=1)]


def new_networks(pair: str, transfer: Transfer, attentions: Sequence[Attention]) -> dict[str, nn.Module]:
    """New networks with parameters of one pair, by name: ``T``, and ``M_A`` of a trainable mechanism."""
    found: dict[str, nn.Module] = {TRANSFER: transfer} if any(True for _ in transfer.parameters()) else {}
    for attention, suffix in suffixes(pair, attentions):
        found |= {f"{name}{suffix}": network for name, network in attention.networks().items()}
    return found


def add_parameters(
    networks: Mapping[str, nn.Module],
    generator: nn.Module,
    discriminator: nn.Module | None,
    optimizers: Iterable[Optimizer],
) -> None:
    """Give new networks to the optimizers that train G and D; what an optimizer holds already stays where it is.

    They join the param group that holds G's (or D's) parameters, so that its learning rate and schedule are theirs: a
    scheduler made before refuses a further group.

    Args:
        networks: As ``Guide.networks()``: T is trained by G's loss, all others by D's.
        generator: G.
        discriminator: D, or None where there is none.
        optimizers: The training's.

    Raises:
        ConfigError: If no optimizer holds G's (or D's) parameters.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for name, network in networks.items():
        held = {id(parameter) for group in groups for parameter in group["params"]}
        new = [parameter for parameter in network.parameters() if id(parameter) not in held]
        if new:
            _group_of(name, generator if name == TRANSFER else discriminator, groups)["params"].extend(new)


def place(
    pair: str,
    transfer: Transfer,
    attentions: Sequence[Attention],
    generator: nn.Module,
    judges: Sequence[nn.Module],
    optimizers: Iterable[Optimizer],
) -> None:
    """Give a pair's new networks to the optimizers of the networks they serve, each D's to that D's.

    Args:
        pair: Name of the pair.
        transfer: T, which serves G.
        attentions: The mechanisms, one a D.
        generator: G.
        judges: The Ds there are.
        optimizers: The training's.

    Raises:
        ConfigError: As :func:`add_parameters`.
    """
    optimizers = tuple(optimizers)
    add_parameters(new_networks(pair, transfer, ()), generator, None, optimizers)
    for attention, judge in zip(attentions, judges, strict=False):
        add_parameters(new_networks(pair, transfer, [attention]), generator, judge, optimizers)


def _group_of(name: str, owner: nn.Module | None, groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The param group with the first of a network's parameters that is in any."""
    for parameter in owner.parameters() if owner is not None else ():
        for group in groups:
            if any(held is parameter for held in group["params"]):
                return group
    role = "generator" if name == TRANSFER else "discriminator"
    raise ConfigError(
        f"none of {len(groups)} param groups holds the {role}'s parameters, so {name} would not be trained; change "
        f"optimizers= to include the {role}'s"
    )
