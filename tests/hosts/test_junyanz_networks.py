"""New networks of the guidance in a host that initialises, saves, loads and wraps them like its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.hosts.junyanz.networks import NewNetworks

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
CHECKPOINTS = Path("checkpoints") / "run"
REFERENCE_HOST = Path(__file__).resolve().parent.parent.parent / "examples" / "reference_host"
NAMES = {"cycle_gan": ["D_A", "D_B", "G_A", "G_B"], "pix2pix": ["D", "G"]}
CONV = ["--guide_transfer", "conv"]
TAM = ["--guide_attention", "tam"]
MASKS = {"cycle_gan": ["M_A", "M_B"], "pix2pix": ["M_A"]}


@pytest.fixture
def dataroot(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    return lambda model: request.getfixturevalue("paired" if "pix2pix" in model else "unpaired")


def files(names: list[str]) -> list[str]:
    return [f"latest_net_{name}.pth" for name in names]


def images(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (Path(folder) / "run" / "test_latest" / "images").iterdir()}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_the_transfer_network_trains_resumes_and_is_used_at_test_time(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, read_weights: Read, model: str
) -> None:
    options = [*small(f"guide_{model}", dataroot(model)), *CONV]
    run_host("train.py", *options, *one_epoch)
    first = read_weights(CHECKPOINTS)
    assert list(first) == files([*NAMES[model], "T"])
    run_host("train.py", *options, *one_epoch, "--continue_train", "--lr", 1e-9)
    second = read_weights(CHECKPOINTS)["latest_net_T.pth"]
    for key, value in first["latest_net_T.pth"].items():
        assert torch.allclose(second[key], value, atol=1e-6), "it was loaded"
        assert "bias" not in key or (value != 0).any(), "the host starts with biases of zero, and it was trained"

    run_host("test.py", *options)
    trained = images("results")
    torch.save({key: value + 9 for key, value in second.items()}, CHECKPOINTS / "latest_net_T.pth")
    run_host("test.py", *options, "--results_dir", "other")
    changed = {name for name, content in images("other").items() if content != trained[name]}
    # Under the instance norm of cycle_gan's generators a constant map is invisible.
    assert ("0_fake_B.png" in changed) == (model == "pix2pix") and "0_real_A.png" not in changed


@pytest.mark.slow_but_first
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_a_checkpoint_without_the_transfer_network_starts_it_fresh_with_a_notice(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    dataroot: Any,
    read_weights: Read,
    model: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = [*small(f"guide_{model}", dataroot(model)), *CONV]
    run_host("train.py", *small(model, dataroot(model)), *one_epoch)
    run_host("test.py", *options)
    run_host("train.py", *options, *one_epoch, "--continue_train")
    assert caplog.text.count("latest_net_T.pth: netT starts fresh") == 2
    weights = read_weights(CHECKPOINTS)
    assert list(weights) == files([*NAMES[model], "T"])
    assert weights["latest_net_T.pth"]["layers.2.weight"].abs().max() < 0.2, "initialised as the host does"
    assert all((bias != 0).any() for key, bias in weights["latest_net_T.pth"].items() if "bias" in key), "and trained"


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_without_attention_there_is_no_transfer_network_and_the_host_is_untouched(
    run_host: Run, small: Small, one_epoch: list[str], dataroot: Any, read_weights: Read, model: str
) -> None:
    run_host("train.py", *small(model, dataroot(model)), *one_epoch)
    bare = read_weights(CHECKPOINTS)
    run_host("train.py", *small(f"guide_{model}", dataroot(model)), *one_epoch, *CONV, "--guide_attention", "none")
    guided = read_weights(CHECKPOINTS)
    assert list(guided) == files(NAMES[model]) == list(bare)
    assert all(torch.equal(bare[name][key], guided[name][key]) for name in bare for key in bare[name])


def test_one_direction_is_tested_with_the_transfer_network(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, *CONV)
    options = [*small("guide_test", unpaired / "testA"), "--model_suffix", "_A", "--no_dropout", *CONV]
    run_host("test.py", *options)
    assert "0_fake.png" in images("results") and "fresh" not in caplog.text
    (CHECKPOINTS / "latest_net_T.pth").unlink()
    run_host("test.py", *options)
    assert "latest_net_T.pth: netT starts fresh" in caplog.text


def test_the_training_state_of_a_run_without_the_network_is_refused(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    options = [*small("guide_cycle_gan", unpaired), *one_epoch, "--guide_full_state"]
    run_host("train.py", *options)
    with pytest.raises(StoreError, match=r"training state is of other networks .*--guide_full_state"):
        run_host("train.py", *options, *CONV, "--continue_train")


def test_a_dry_run_names_the_new_network(
    run_host: Run, small: Small, unpaired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *CONV, dry_run=True)
    assert "netT, which the host initialises, saves and loads" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_the_mask_branch_trains_resumes_and_shows_where_the_discriminator_looks(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    dataroot: Any,
    read_weights: Read,
    model: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_host("train.py", *small(model, dataroot(model)), *one_epoch)
    keys = {name: list(network) for name, network in read_weights(CHECKPOINTS).items()}
    options = [*small(f"guide_{model}", dataroot(model)), *TAM, "--guide_tam_start", "residual"]
    run_host("train.py", *options, *one_epoch, "--continue_train")
    assert caplog.text.count("starts fresh") == len(MASKS[model])
    first = read_weights(CHECKPOINTS)
    assert list(first) == sorted(files([*NAMES[model], *MASKS[model]]))
    assert all(list(first[name]) == keys[name] for name in keys), "the host's own networks keep their keys"
    for name in files(MASKS[model]):
        assert (first[name]["layers.9.bias"] != 0).any(), "trained from the host's bias of zero"
    with pytest.raises(StoreError, match=r"maps of another kind \(tam_start residual to paper\)"):
        run_host("train.py", *options, *one_epoch, "--continue_train", "--guide_tam_start", "paper")
    run_host("train.py", *options, *one_epoch, "--continue_train", "--lr", 1e-9)
    second = read_weights(CHECKPOINTS)
    assert caplog.text.count("starts fresh") == len(MASKS[model])
    assert all(
        torch.allclose(second[name][key], first[name][key], atol=1e-6)
        for name in files(MASKS[model])
        for key in first[name]
    ), "it was loaded"

    run_host("test.py", *options, "--guide_show")
    shown = images("results")
    torch.save({key: value + 1 for key, value in second[files(["M_A"])[0]].items()}, CHECKPOINTS / files(["M_A"])[0])
    run_host("test.py", *options, "--guide_show", "--results_dir", "other")
    changed = {name for name, content in images("other").items() if content != shown[name]}
    assert "0_attention_A.png" in changed and not any("fake" in name for name in changed), "M changes D, never G"
    for name in files(MASKS[model]):
        (CHECKPOINTS / name).unlink()
    run_host("test.py", *options)
    assert caplog.text.count("starts fresh") == len(MASKS[model]), "without D there is no M"
    run_host("test.py", *options, "--guide_show")
    assert caplog.text.count("starts fresh") == 2 * len(MASKS[model])
    run_host("train.py", *small(model, dataroot(model)), *one_epoch, "--continue_train")


def test_one_direction_is_shown_with_its_mask_branch(
    run_host: Run, small: Small, one_epoch: list[str], unpaired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_host("train.py", *small("guide_cycle_gan", unpaired), *one_epoch, *TAM)
    options = [*small("guide_test", unpaired / "testA"), "--model_suffix", "_B", "--no_dropout", *TAM, "--guide_show"]
    run_host("test.py", *options)
    assert "0_attention_B.png" in images("results") and "fresh" not in caplog.text


def test_with_the_full_state_new_networks_resume_bit_equal(
    run_host: Run, small: Small, unpaired: Path, read_weights: Read
) -> None:
    schedule = ["--n_epochs", 1, "--n_epochs_decay", 1, "--pool_size", 2, "--guide_full_state", *CONV, *TAM]
    options = [*small("guide_cycle_gan", unpaired), *schedule]
    run_host("train.py", *options, "--save_epoch_freq", 1, "--checkpoints_dir", "whole")
    shutil.copytree(Path("whole") / "run", CHECKPOINTS)
    for path in list(CHECKPOINTS.glob("latest_*")):
        path.unlink()
    run_host("train.py", *options, "--continue_train", "--epoch", 1, "--seed", 99)
    resumed, whole = read_weights(CHECKPOINTS), read_weights(Path("whole") / "run")
    assert list(resumed) == list(whole) and "latest_net_M_B.pth" in whole
    assert all(torch.equal(resumed[name][key], whole[name][key]) for name in whole for key in whole[name])


RANK = """
import os
import sys
from pathlib import Path
import torch
import torch.distributed as dist
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from guidegan_plugin.hosts.junyanz.model import GuidedModel
from guidegan_plugin.hosts.launcher import run

update = GuidedModel.update_learning_rate
def compare(model):
    for name in model.guides.new_networks.names:
        network = getattr(model, f"net{name}")
        assert isinstance(network, torch.nn.parallel.DistributedDataParallel), name
        for parameter in network.parameters():
            ranks = [torch.empty_like(parameter) for _ in range(2)]
            dist.all_gather(ranks, parameter.detach())
            assert torch.equal(*ranks) and parameter.grad is not None, name
        assert sum(parameter.grad.abs().sum() for parameter in network.parameters()) > 0, name
    update(model)
GuidedModel.update_learning_rate = compare
dist.destroy_process_group = dist.barrier  # gloo's threads may abort a process that ends; not what is tested here
run(Path(sys.argv[1]), sys.argv[2:])
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, True])
def test_two_processes_train_the_same_new_networks(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    unpaired: Path,
    tmp_path: Path,
    warm_python: str,
    resumed: bool,
) -> None:
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    if resumed:
        run_host("train.py", *small("cycle_gan", unpaired), *one_epoch)
        options.append("--continue_train")
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", script, REFERENCE_HOST / "train.py"]
    ended = subprocess.run(
        [warm_python, *map(str, command), *options, *CONV, *TAM],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON_EXEC": warm_python},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert all((CHECKPOINTS / name).exists() for name in files(["T", "M_A", "M_B"]))
    assert ended.stderr.count("starts fresh") == (6 if resumed else 0)


class ClassicModel:
    """What the classic generation's models have."""

    def __init__(self, generator: nn.Module, folder: Path, training: bool = True) -> None:
        self.netG, self.model_names, self.isTrain, self.save_dir = generator, ["G"], training, folder
        self.gpu_ids: list[int] = []
        self.opt = Namespace(init_type="normal", init_gain=0.02, continue_train=False)
        self.optimizers = [torch.optim.Adam(generator.parameters())]


@pytest.fixture
def classic(
    make_generator: Callable[..., nn.Module],
    make_discriminator: Callable[..., nn.Module],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A model of the classic generation and a guide of its pair; ``init_net`` wraps, as it does on a GPU."""

    def init_net(network: nn.Module, kind: str, gain: float, gpu_ids: list[int]) -> nn.Module:
        assert (kind, gain, gpu_ids) == ("normal", 0.02, [])
        return nn.DataParallel(network)

    module = ModuleType("models.networks")
    monkeypatch.setattr(module, "init_net", init_net, raising=False)
    monkeypatch.setitem(sys.modules, "models.networks", module)
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator, GuideConfig(transfer="conv"))
    return ClassicModel(generator, tmp_path), guide, generator, discriminator


def test_the_classic_generation_initialises_and_wraps_at_once(classic: Any) -> None:
    model, guide, *_ = classic
    added = NewNetworks(model, "classic")
    for _ in range(2):  # all pairs share T
        added.add(guide)
    assert model.model_names == ["G", "T"] and isinstance(model.netT, nn.DataParallel)
    assert model.netT.module is guide.transfer and added.wrapped() == {"T": model.netT}
    assert len(model.optimizers[0].param_groups[0]["params"]) == 4 + 6
    model.opt.continue_train = True
    with added.fresh_without_file("latest"):
        assert model.model_names == ["G"]
    assert model.model_names == ["G", "T"]
    (model.save_dir / "latest_net_T.pth").touch()
    with added.fresh_without_file("latest"):
        assert model.model_names == ["G", "T"]


def test_a_host_with_a_network_of_that_name_is_refused(classic: Any) -> None:
    model, guide, generator, _ = classic
    model.netT = generator
    with pytest.raises(HostError, match=r"has a netT of its own.*--guide_transfer"):
        NewNetworks(model, "classic").add(guide)
