from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.optimizers import Joined, add_parameters


def test_t_joins_the_generators_group_and_all_else_the_discriminators() -> None:
    generator, discriminator = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    new = {"T": nn.Conv2d(1, 2, 1), "M_A": nn.Conv2d(1, 3, 1)}
    other = nn.Parameter(torch.zeros(1))
    groups = [{"params": [other], "lr": 1.0}, {"params": list(generator.parameters()), "lr": 0.5}]
    g_optimizer, d_optimizer = torch.optim.Adam(groups), torch.optim.SGD(discriminator.parameters(), 0.1)
    for _ in range(2):
        add_parameters(new, generator, discriminator, [g_optimizer, d_optimizer])
    assert [len(group["params"]) for group in g_optimizer.param_groups] == [1, 4]
    assert [len(group["params"]) for group in d_optimizer.param_groups] == [4]
    assert all(
        held is own for held, own in zip(g_optimizer.param_groups[1]["params"][2:], new["T"].parameters(), strict=True)
    )


def test_what_an_optimizer_holds_already_stays_where_it_is() -> None:
    generator, transfer = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    own, host = torch.optim.SGD(transfer.parameters(), 0.1), torch.optim.SGD(generator.parameters(), 0.1)
    add_parameters({"T": transfer}, generator, None, [host, own])
    assert len(host.param_groups[0]["params"]) == 2


def test_networks_without_parameters_need_no_optimizer_and_others_say_whose_is_missing() -> None:
    network = nn.Conv2d(1, 1, 1)
    add_parameters({"T": nn.Identity()}, network, None, [])
    for name, role in (("T", "generator"), ("M", "discriminator")):
        with pytest.raises(ConfigError, match=f"holds the {role}'s parameters, so {name} would not be trained"):
            add_parameters({name: nn.Conv2d(1, 1, 1)}, network, network, [])


def test_a_state_from_before_new_networks_joined_is_loaded_and_they_start_fresh(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def training() -> tuple[list[nn.Conv2d], torch.optim.Adam]:
        networks = [nn.Conv2d(1, 1, 1) for _ in range(3)]
        groups = [{"params": list(one.parameters()), "lr": 0.1} for one in networks]
        return networks, torch.optim.Adam(groups)

    def stepped(optimizer: torch.optim.Adam) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        optimizer.step()

    (_, bare), (networks, optimizer) = training(), training()
    stepped(bare)
    new = {name: nn.Conv2d(1, 2, 1) for name in ("M_A", "M_B", "T")}
    joined: dict[str, Joined] = {}
    # In the middle, and two in one group, one after the other.
    for name, owner in (("M_A", networks[1]), ("M_B", networks[1]), ("T", networks[0])):
        joined |= add_parameters({name: new[name]}, owner, owner, [optimizer])
    saved = copy.deepcopy(bare.state_dict())
    optimizer.load_state_dict(saved)
    assert [message.split()[6] for message in caplog.messages] == ["M_A,", "M_B,", "T,"]
    assert str(saved) == str(bare.state_dict()), "what was given is left alone"
    stepped(optimizer)
    steps = [[optimizer.state[one]["step"].item() for one in group["params"]] for group in optimizer.param_groups]
    assert steps == [[2, 2, 1, 1], [2, 2, 1, 1, 1, 1], [2, 2]]
    joined["M_A"].leave()
    optimizer.load_state_dict(saved)
    assert [message.split()[6] for message in caplog.messages[3:]] == ["M_B,", "T,"]
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 4, 2] and not caplog.clear()
    stepped(optimizer)
    guided = optimizer.state_dict()
    optimizer.load_state_dict(guided)
    assert not caplog.messages and all(optimizer.state[one]["step"] == 1 for one in new["T"].parameters())
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict(
            torch.optim.Adam([{"params": [nn.Parameter(torch.ones(1))]}] * 1).state_dict()
            | {"param_groups": [{"params": [0]}, {"params": [1]}, {"params": [2]}]}
        )
