"""What several processes remember, brought together once an epoch."""

from __future__ import annotations

from functools import partial

import numpy as np
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from guidegan_plugin.guidance.memory.pieces import pieces
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.utils.distributed import is_one_of_several


def exchange(store: AttentionStore, device: torch.device) -> None:
    """Give every process every image's newest map and all visits; alone, nothing happens.

    Collective: every rank must call it, for the same stores in the same order.

    Args:
        store: This process's memory of one pair.
        device: Where the process group's tensors live (the GPU for nccl).
    """
    if not is_one_of_several():
        return
    told, own = store.changes(), dist.get_rank()
    gathered = enumerate(_all_gather(told, device))
    changes = [told if rank == own else safetensors.torch.load(_bytes(part)) for rank, part in gathered]
    store.merge(changes, device, own)
    store.catch_up(changes, partial(_meet, device))


def _meet(device: torch.device) -> None:
    """Wait for all processes."""
    one = torch.ones(1, device=device)
    dist.all_reduce(one)
    one.item()  # on a GPU it is computed by now


def _bytes(content: Tensor) -> bytes:
    return content.cpu().numpy().tobytes()


def _all_gather(state: dict[str, Tensor], device: torch.device) -> list[Tensor]:
    """One rank's tensors as bytes, from every rank, in rank order; contents may differ in length."""
    parts = [np.frombuffer(piece, dtype=np.uint8) for piece in pieces(state)]
    content = torch.from_numpy(np.concatenate(parts)).to(device)
    length = torch.tensor([len(content)], device=device)
    lengths = [torch.zeros_like(length) for _ in range(dist.get_world_size())]
    dist.all_gather(lengths, length)
    sizes = [int(one) for one in lengths]
    if len(content) < max(sizes):
        content = torch.nn.functional.pad(content, (0, max(sizes) - len(content)))
    gathered = [torch.empty_like(content) for _ in sizes]
    dist.all_gather(gathered, content)
    return [part[:size] for part, size in zip(gathered, sizes, strict=True)]
