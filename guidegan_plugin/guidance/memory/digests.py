"""Fingerprints: of what a file holds, and of the networks that a memory belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from guidegan_plugin.guidance.layers import unwrap


def checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    """One fingerprint of tensors and of what is said of them: 64 hexadecimal digits (SHA-256)."""
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    for name in sorted(tensors):
        _add(digest, name, tensors[name])
    return digest.hexdigest()


def networks_digest(networks: Mapping[str, nn.Module]) -> str:
    """One fingerprint of the weights of several networks, the same on every device.

    Args:
        networks: Networks by name; wrappers that hold the real one as ``module`` or ``_orig_mod`` do not matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for name in sorted(networks):
        for key, tensor in sorted(unwrap(networks[name]).state_dict().items()):
            if isinstance(tensor, Tensor):  # a module may keep state of another kind
                _add(digest, f"{name}.{key}", tensor)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().flatten()
    if len(flat):  # what NumPy made empty has strides that cannot be looked at otherwise
        digest.update(flat.view(torch.uint8).numpy().data)
