"""New parameters in a training somebody else set up: they join those of the network they serve."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.concatenation.transfer import Transfer

TRANSFER = "T"
_log = logging.getLogger(__name__)


def as_optimizers(optimizers: Iterable[Optimizer]) -> tuple[Optimizer, ...]:
    """The optimizers of a training, looked at.

    Raises:
        ConfigError: If they are no optimizers in a list.
    """
    found = tuple(optimizers) if isinstance(optimizers, Iterable) and not isinstance(optimizers, str) else None
    wrong = [optimizers] if found is None else [one for one in found if not hasattr(one, "param_groups")]
    if wrong or found is None:
        raise ConfigError(
            f"optimizers: expected the training's optimizers in a list, found {type(wrong[0]).__name__}; change "
            "optimizers= to [optimizer]"
        )
    return found


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
) -> dict[str, Joined]:
    """Give new networks to the optimizers that train G and D; what an optimizer holds already stays where it is.

    They join the param group that holds G's (or D's) parameters, so that its learning rate and schedule are theirs: a
    scheduler made before refuses a further group.

    Args:
        networks: As ``Guide.networks()``: T is trained by G's loss, all others by D's.
        generator: G.
        discriminator: D, or None where there is none.
        optimizers: The training's.

    Returns:
        Those that joined, by name.

    Raises:
        ConfigError: If no optimizer holds G's (or D's) parameters.
    """
    joined = {}
    places = [(one, number) for one in optimizers for number in range(len(one.param_groups))]
    for name, network in networks.items():
        held = {id(parameter) for one, number in places for parameter in one.param_groups[number]["params"]}
        new = [parameter for parameter in network.parameters() if id(parameter) not in held]
        if new:
            optimizer, number = _place_of(name, generator if name == TRANSFER else discriminator, places)
            optimizer.param_groups[number]["params"].extend(new)
            joined[name] = Joined(name, optimizer, number, new)
    return joined


def place(
    pair: str,
    transfer: Transfer,
    attentions: Sequence[Attention],
    generator: nn.Module,
    judges: Sequence[nn.Module],
    optimizers: Iterable[Optimizer],
) -> Iterator[tuple[str, Joined]]:
    """Give a pair's new networks to the optimizers of the networks they serve, each D's to that D's.

    Args:
        pair: Name of the pair.
        transfer: T, which serves G.
        attentions: The mechanisms, one a D.
        generator: G.
        judges: The Ds there are.
        optimizers: The training's.

    Yields:
        Those that joined, one by one, with their names: they have joined though a later one is refused.

    Raises:
        ConfigError: As :func:`add_parameters`.
    """
    optimizers = tuple(optimizers)
    yield from add_parameters(new_networks(pair, transfer, ()), generator, None, optimizers).items()
    for (attention, suffix), judge in zip(suffixes(pair, attentions), judges, strict=False):
        own = {f"{name}{suffix}": network for name, network in attention.networks().items()}
        yield from add_parameters(own, generator, judge, optimizers).items()


class Joined:
    """A new network in a param group of somebody else's optimizer, until it leaves.

    A state from before it joined is loaded, too; the network has none then. Where several joined, their hooks are
    called in the order in which they did.

    Args:
        name: The network's.
        optimizer: The optimizer, held weakly.
        group: Which of its groups.
        parameters: Of the network, which stand one behind the other.
    """

    def __init__(self, name: str, optimizer: Optimizer, group: int, parameters: Sequence[nn.Parameter]) -> None:
        self._name, self._optimizer, self._group = name, weakref.ref(optimizer), group
        self._parameters = list(parameters)
        self._handle = optimizer.register_load_state_dict_pre_hook(self._grown)

    def leave(self) -> None:
        """Take the network out again, and what the optimizer holds of it."""
        self._handle.remove()
        optimizer, own = self._optimizer(), set(map(id, self._parameters))
        if optimizer is None:
            return
        for group in optimizer.param_groups:  # any: the host may have sorted them anew
            group["params"][:] = [parameter for parameter in group["params"] if id(parameter) not in own]
        for parameter in self._parameters:
            optimizer.state.pop(parameter, None)

    def _grown(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any] | None:
        """As a hook of an optimizer whose state is loaded."""
        groups, here = [*state["param_groups"]], optimizer.param_groups
        if self._group >= min(len(groups), len(here)):
            return None
        held = map(id, here[self._group]["params"])
        before = next((place for place, one in enumerate(held) if one == id(self._parameters[0])), None)
        if len(groups[self._group]["params"]) != before:
            return None
        free = 1 + max((number for group in groups for number in group["params"]), default=-1)
        own, count = groups[self._group], len(self._parameters)
        groups[self._group] = {**own, "params": [*own["params"], *range(free, free + count)]}
        _log.warning("the optimizer's state was saved without %s, for which it starts fresh", self._name)
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
