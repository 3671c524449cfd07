"""The fused kernel of an optimizer somebody else made: its own flag, from any step on, and back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from guidegan_plugin.fast.fused_step import can_be_fused, fused, set_step_flags, step_flags


def layer() -> nn.Linear:
    torch.manual_seed(0)
    made = nn.Linear(3, 3)
    made.weight.grad, made.bias.grad = torch.ones(3, 3), torch.ones(3)
    return made


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_the_fused_step_agrees_and_the_flags_come_back(kind: type[torch.optim.Adam], steps_before: int) -> None:
    one, other = layer(), layer()
    optimizers = [kind(network.parameters(), 1e-2, (0.5, 0.999)) for network in (one, other)]
    for optimizer in optimizers:
        for _ in range(steps_before):
            optimizer.step()
    flags = step_flags(optimizers[1])
    with fused(optimizers[1]):
        assert optimizers[1].param_groups[0]["fused"] is True and optimizers[1].param_groups[0]["foreach"] is False
        optimizers[0].step(), optimizers[1].step()
    assert step_flags(optimizers[1]) == flags
    optimizers[0].step(), optimizers[1].step()
    assert torch.allclose(one.weight, other.weight, atol=1e-6)
    assert optimizers[1].state[other.weight]["step"] == steps_before + 2


def test_only_adam_of_float32_is_fused() -> None:
    parameters = list(layer().parameters())
    assert can_be_fused(torch.optim.Adam(parameters)) and can_be_fused(torch.optim.AdamW(parameters))
    assert not can_be_fused(torch.optim.SGD(parameters, 0.1))
    assert not can_be_fused(torch.optim.Adam(parameters, differentiable=True))
    assert not can_be_fused(torch.optim.Adam(list(layer().double().parameters())))
    assert not can_be_fused(type("Own", (torch.optim.Adam,), {})(parameters))


def test_a_loaded_state_does_not_decide_by_which_kernel_the_optimizer_steps() -> None:
    network = layer()
    optimizer = torch.optim.Adam(network.parameters())
    with fused(optimizer):
        optimizer.step()
        saved = copy.deepcopy(optimizer.state_dict())
    flags = step_flags(optimizer)
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["fused"]
    set_step_flags(optimizer, flags)
    assert not optimizer.param_groups[0]["fused"]
    optimizer.step()
