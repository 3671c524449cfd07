"""Weights in what a script saves or loads: a state dict, a module, or what holds some of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def holds(content: Any, network: nn.Module | None) -> bool:
    """Whether something that is saved has a network in it: itself, or its weights as they are now."""
    if network is None:
        return False
    if isinstance(content, nn.Module):
        return any(inner is network for inner in content.modules())
    own = {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}
    return any(own and _same(weights, own) for weights in _mappings(content))


def differ_in_channels(one: Tensor, other: Tensor) -> bool:
    """Whether two weights of convolutions differ in how many channels they read, and in nothing else."""
    return one.dim() == other.dim() == 4 and one.shape[1] != other.shape[1] and one[:, 0].shape == other[:, 0].shape


def _same(weights: Mapping[Any, Any], own: dict[str, Tensor]) -> bool:
    """Whether a state dict holds these weights; keys may have what a wrapper puts before them."""
    for name in (next(iter(own)), next(reversed(own))):
        value = weights.get(name, weights.get(f"module.{name}"))
        if not isinstance(value, Tensor) or value.shape != own[name].shape:
            return False
        if value.data_ptr() != own[name].data_ptr() and not torch.equal(value.to(own[name]), own[name]):
            return False
    return True


def _mappings(content: Any, depth: int = 3) -> Iterator[Mapping[Any, Any]]:
    """Mappings in something, as deep as scripts nest their state dicts."""
    if isinstance(content, Mapping):
        yield content
    if depth and isinstance(content, (Mapping, list, tuple)):
        for item in content.values() if isinstance(content, Mapping) else content:
            yield from _mappings(item, depth - 1)


def tensors(content: Any) -> Iterator[Tensor]:
    """The tensors of all weights that something holds, parameters themselves where it is a module."""
    if isinstance(content, nn.Module):
        yield from content.state_dict(keep_vars=True).values()
    for weights in _mappings(content):
        yield from (value for value in weights.values() if isinstance(value, Tensor))
