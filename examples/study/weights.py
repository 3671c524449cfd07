"""Weights of what a study trains to judge, with what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from guidegan_plugin.utils.files import write_whole


def write_weights(path: Path, network: nn.Module, about: Mapping[str, object]) -> None:
    """Write a network's weights as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    write_whole(path, save(tensors, {"about": json.dumps(about)}))


def about(path: Path) -> dict[str, object]:
    """What was said of the weights when they were written; nothing where there are none."""
    if not path.exists():
        return {}
    with safe_open(str(path), "pt") as file:
        found: dict[str, object] = json.loads(file.metadata()["about"])
    return found
