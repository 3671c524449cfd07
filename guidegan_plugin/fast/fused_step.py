"""Adam's own fused kernel for an optimizer that somebody else made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


def can_be_fused(optimizer: Optimizer) -> bool:
    """Whether torch has one kernel for the whole step of an optimizer: Adam and AdamW of float32 on CPU or CUDA."""
    if type(optimizer) not in (Adam, AdamW):
        return False
    for group in optimizer.param_groups:
        if "fused" not in group or group.get("differentiable"):
            return False
        if any(one.device.type not in ("cpu", "cuda") or one.dtype != torch.float32 for one in group["params"]):
            return False
    return True


@contextmanager
def fused(optimizer: Optimizer) -> Iterator[None]:
    """While it lasts, an optimizer steps by the fused kernel.

    Args:
        optimizer: One that :func:`can_be_fused`. It may have taken steps before.
    """
    before = step_flags(optimizer)
    set_step_flags(optimizer, [{"fused": True, "foreach": False}] * len(before))
    try:
        yield
    finally:
        set_step_flags(optimizer, before)


def step_flags(optimizer: Optimizer) -> list[dict[str, object]]:
    """By which kernel an optimizer steps, for each group of parameters: no part of what a training has learned."""
    return [{flag: group[flag] for flag in ("fused", "foreach") if flag in group} for group in optimizer.param_groups]


def set_step_flags(optimizer: Optimizer, flags: Sequence[Mapping[str, object]]) -> None:
    """Step by another kernel from now on; to be called after a state was loaded, which brings the flags it had.

    Args:
        optimizer: Whose state may hold steps taken before.
        flags: As :func:`step_flags`, one for each of its first groups.
    """
    for group, values in zip(optimizer.param_groups, flags, strict=False):
        group.update(values)
        # Adam counts its steps on the CPU, unless its kernel reads the count on the device.
        on_device = group.get("fused") or group.get("capturable")
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if isinstance(count := state.get("step"), Tensor):
                state["step"] = count.to(parameter.device if on_device else "cpu")
