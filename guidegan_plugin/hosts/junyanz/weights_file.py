"""The weights of one network, as the family saves them: read without running anything, and refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.torch_file import load_tensors
from guidegan_plugin.utils.text import short


def read_weights(path: Path, cure: str, device: torch.device | str = "cpu") -> Mapping[str, Tensor]:
    """Read a network's checkpoint.

    Args:
        path: The file.
        cure: What the user can change, for the error.
        device: Where the weights are wanted.

    Returns:
        The state dict, with ``_metadata`` where the file has it.

    Raises:
        StoreError: If the file is missing, torn, or holds anything but the weights of one network.
    """
    if not path.is_file():
        raise StoreError(f"checkpoint {path} does not exist; {cure}")
    try:
        weights = load_tensors(path, device)
    except Exception as error:  # torch has half a dozen unrelated kinds for a file it cannot read
        raise StoreError(f"{path} is torn or not a checkpoint ({type(error).__name__}); {cure}") from error
    if not isinstance(weights, Mapping) or not weights or not all(map(_is_weight, weights.items())):
        raise StoreError(f"{path} is not the weights of one network (found {type(weights).__name__}); {cure}")
    return weights


def _is_weight(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def load_weights(path: Path, network: nn.Module, cure: str, device: torch.device | str = "cpu") -> None:
    """Load a network's checkpoint.

    Args:
        path: As for :func:`read_weights`.
        network: Takes all of the weights, or none.
        cure: As there.
        device: As there.

    Raises:
        StoreError: As there, and if they are the weights of another network.
    """
    # A host on the CPU saves the networks that it wrapped (DataParallel) under the names they have there.
    weights = {name.removeprefix("module."): tensor for name, tensor in read_weights(path, cure, device).items()}
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in weights.items()}:
        other = next((name for name in {**own, **weights} if name not in own or name not in weights), "its shapes")
        raise StoreError(f"{path} holds the weights of another network ({short(other)} differs); {cure}")
    network.load_state_dict(weights)
