"""New parameters in a training somebody else set up: they join those of the network they serve."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.concatenation.transfer import Transfer

TRANSFER = "T"
_log = logging.getLogger(__name__)


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
    places = [(one, number) for one in optimizers for number in range(len(one.param_groups))]
    for name, network in networks.items():
        held = {id(parameter) for one, number in places for parameter in one.param_groups[number]["params"]}
        new = [parameter for parameter in network.parameters() if id(parameter) not in held]
        if new:
            optimizer, number = _place_of(name, generator if name == TRANSFER else discriminator, places)
            parameters = optimizer.param_groups[number]["params"]
            optimizer.register_load_state_dict_pre_hook(_Grown(name, number, len(parameters), len(new)))
            parameters.extend(new)


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


@dataclass(frozen=True)
class _Grown:
    """A param group that a new network joined, so that a state from before is loaded, too; the network has none then.

    Where several networks joined, their hooks are called in the order in which they did.

    Attributes:
        name: The network's.
        group: Which of the optimizer's.
        before: How many parameters it held.
        count: How many the network has, which stand behind those.
    """

    name: str
    group: int
    before: int
    count: int

    def __call__(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any] | None:
        """As a hook of an optimizer whose state is loaded."""
        groups = [*state["param_groups"]]
        if self.group >= len(groups) or len(groups[self.group]["params"]) != self.before:
            return None
        free = 1 + max((number for group in groups for number in group["params"]), default=-1)
        own = groups[self.group]
        groups[self.group] = {**own, "params": [*own["params"], *range(free, free + self.count)]}
        _log.warning("the optimizer's state was saved without %s, for which it starts fresh", self.name)
        return {**state, "param_groups": groups}


def _place_of(name: str, owner: nn.Module | None, places: Sequence[tuple[Optimizer, int]]) -> tuple[Optimizer, int]:
    """The optimizer, and which of its param groups, with the first of a network's parameters that is in any."""
    for parameter in owner.parameters() if owner is not None else ():
        for optimizer, number in places:
            if any(held is parameter for held in optimizer.param_groups[number]["params"]):
                return optimizer, number
    role = "generator" if name == TRANSFER else "discriminator"
    raise ConfigError(
        f"none of {len(places)} param groups holds the {role}'s parameters, so {name} would not be trained; change "
        f"optimizers= to include the {role}'s"
    )
