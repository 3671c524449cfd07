"""What several processes remember, brought together once an epoch."""

from __future__ import annotations

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from guidegan_plugin.guidance.memory.store import AttentionStore


def exchange(store: AttentionStore, device: torch.device) -> None:
    """Give every process every image's newest map and all visits; alone, nothing happens.

    Collective: every rank must call it, for the same stores in the same order.

    Args:
        store: This process's memory of one pair.
        device: Where the process group's tensors live (the GPU for nccl).
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return
    changes = [safetensors.torch.load(content) for content in _all_gather(store.changes(), device)]
    store.merge(changes, device)


def _all_gather(state: dict[str, Tensor], device: torch.device) -> list[bytes]:
    """One rank's tensors as bytes, from every rank, in rank order; contents may differ in length."""
    content = torch.frombuffer(bytearray(safetensors.torch.save(state)), dtype=torch.uint8).to(device)
    length = torch.tensor([len(content)], device=device)
    lengths = [torch.zeros_like(length) for _ in range(dist.get_world_size())]
    dist.all_gather(lengths, length)
    sizes = [int(one) for one in lengths]
    padded = torch.nn.functional.pad(content, (0, max(sizes) - len(content)))
    gathered = [torch.zeros_like(padded) for _ in sizes]
    dist.all_gather(gathered, padded)
    return [part[:size].cpu().numpy().tobytes() for part, size in zip(gathered, sizes, strict=True)]
