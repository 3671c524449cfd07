"""Checkpoints of networks that are torn, or another network's, are refused by name wherever the plugin reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.weights_file import load_weights, read_weights

RUN = Path("checkpoints") / "run"
RunHost = Callable[..., None]
Small = Callable[[str, Path], list[str]]


@pytest.mark.parametrize(
    "content",
    [[1, 2], {}, {"weight": 1}, {1: torch.ones(1)}, torch.ones(2), {"a": {"weight": torch.ones(1)}}],
    ids=repr,
)
def test_what_is_no_networks_weights_is_refused_by_name(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "latest_net_T.pth")
    with pytest.raises(StoreError, match=r"latest_net_T.pth is not the weights of one network .*; change it"):
        read_weights(tmp_path / "latest_net_T.pth", "change it")


def test_every_truncation_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_T.pth"
    torch.save(torch.nn.Linear(3, 3).state_dict(), path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 61):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"latest_net_T.pth is torn or not a checkpoint"):
            read_weights(path, "change it")


def test_weights_of_another_network_are_refused_and_the_network_stays(tmp_path: Path) -> None:
    network, path = torch.nn.Linear(3, 3), tmp_path / "latest_net_T.pth"
    before = network.weight.clone()
    for other in (torch.nn.Linear(3, 2), torch.nn.Linear(3, 3, bias=False), torch.nn.Conv2d(3, 3, 1)):
        torch.save(other.state_dict(), path)
        with pytest.raises(StoreError, match=r"latest_net_T.pth holds the weights of another network"):
            load_weights(path, network, "change it")
    torch.save(torch.nn.DataParallel(torch.nn.Linear(3, 3)).state_dict(), path)
    load_weights(path, network, "change it")
    assert not torch.equal(network.weight, before), "the names of a wrapper are no other network's"


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("name", "resumed", "tested"),
    [
        ("D_A", "--continue_train", ""),
        ("T", "--continue_train", ""),
        ("G_A", "--continue_train", ""),
        ("D_A", "", "--guide_show"),
        ("T", "", ""),
    ],
)
@pytest.mark.parametrize("torn", [True, False])
def test_a_torn_or_foreign_network_is_named_at_resume_and_at_test(
    run_host: RunHost,
    small: Small,
    one_epoch: list[str],
    unpaired: Path,
    name: str,
    resumed: str,
    tested: str,
    torn: bool,
) -> None:
    arguments = [*small("guide_cycle_gan", unpaired), "--guide_transfer", "conv"]
    run_host("train.py", *arguments, *one_epoch)
    path = RUN / f"latest_net_{name}.pth"
    if torn:
        path.write_bytes(path.read_bytes()[:-100])
    else:
        torch.save([1, 2], path)
    with pytest.raises(StoreError, match=rf"latest_net_{name}.pth is .*; change --name or --epoch"):
        if resumed:
            run_host("train.py", *arguments, *one_epoch, resumed)
        else:
            run_host("test.py", *arguments, *tested.split(), "--num_test", 1)
