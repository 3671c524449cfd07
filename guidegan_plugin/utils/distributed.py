"""What this process is among those of a training."""

from __future__ import annotations

import torch.distributed as dist


def is_one_of_several() -> bool:
    """Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_first_rank() -> bool:
    """Whether this process is a training's only or first one, which writes and reports for all."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
