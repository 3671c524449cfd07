from __future__ import annotations

import pytest
import torch
from torch import nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.optimizers import add_parameters


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
