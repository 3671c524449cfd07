"""New parameters in a training somebody else set up: they join those of the network they serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError

TRANSFER = "T"


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
