"""The weights of one network, as the family saves them: read without running anything, and refused by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.torch_file import load_tensors
from guidegan_plugin.utils.replaced import replaced
from guidegan_plugin.utils.text import short

_log = logging.getLogger(__name__)


def read_weights(path: Path, cure: str) -> Mapping[str, Tensor]:
    """Read a network's checkpoint, onto the CPU.

    Args:
        path: The file.
        cure: What the user can change, for the error.

    Returns:
        The state dict, with ``_metadata`` where the file has it.

    Raises:
        StoreError: If the file is missing, unreadable, torn, or holds anything but the weights of one network.
    """
    try:
        weights = load_tensors(path, "not a checkpoint", cure)
    except FileNotFoundError as error:
        raise StoreError(f"checkpoint {path} does not exist; {cure}") from error
    if not isinstance(weights, Mapping) or not weights or not all(map(_is_weight, weights.items())):
        raise StoreError(f"{path} is not the weights of one network (found {type(weights).__name__}); {cure}")
    return weights


def _is_weight(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def load_weights(path: Path, network: nn.Module, cure: str) -> None:
    """Load a network's checkpoint.

    Args:
        path: As for :func:`read_weights`.
        network: Takes all of the weights, or none.
        cure: As there.

    Raises:
        StoreError: As there, and if they are the weights of another network.
    """
    weights = unwrapped(network, read_weights(path, cure))
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in weights.items()}:
        other = next((name for name in {**own, **weights} if name not in own or name not in weights), "its shapes")
        raise StoreError(f"{path} holds the weights of another network ({short(other)} differs); {cure}")
    network.load_state_dict(weights)


def unwrapped(network: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights under a network's own names: on the CPU some forks save those of the DataParallel around the network."""
    before = "module."
    if not weights or not all(name.startswith(before) for name in weights):
        return weights
    if any(name.startswith(before) for name in network.state_dict()):
        return weights
    return {name.removeprefix(before): tensor for name, tensor in weights.items()}


@contextmanager
def unwrapped_when_loaded() -> Iterator[None]:
    """While it lasts, whatever network is given weights takes those of a DataParallel around it, too."""

    def loading(own: Callable[..., Any]) -> Callable[..., Any]:
        def load_state_dict(network: nn.Module, state: Any, *args: Any, **kwargs: Any) -> Any:
            named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
            if named and (plain := unwrapped(network, state)) is not state:
                _log.warning("weights saved on a CPU, with module. before their names, which are taken without that")
                state = plain
            return own(network, state, *args, **kwargs)

        return load_state_dict

    with replaced(nn.Module, "load_state_dict", loading):
        yield
