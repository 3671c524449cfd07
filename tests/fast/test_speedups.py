"""Pieces act alone, say what they did or why they did nothing, and are undone with the guide."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from guidegan_plugin import ConfigError, GuideConfig, Pair, attach, guided
from guidegan_plugin.config import FAST_PIECES
from guidegan_plugin.fast import speedups
from guidegan_plugin.fast.speedups import RECOMMENDED, Speedups
from guidegan_plugin.guidance.calls.call_site import arounds_of
from guidegan_plugin.guidance.calls.stages import stages

Make = Callable[..., nn.Module]


@pytest.fixture(autouse=True)
def shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def adam(*networks: nn.Module) -> list[torch.optim.Optimizer]:
    return [torch.optim.Adam(network.parameters(), 2e-4) for network in networks]


def test_an_unknown_piece_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"fast: expected off, on, or pieces .*activations, bf16.*'channels_last'.*--guide_fast"
    ):
        GuideConfig(fast="activations,channels_last")
    with pytest.raises(ConfigError):
        GuideConfig(fast="on,bf16")
    assert GuideConfig().fast_pieces == () and GuideConfig(fast="on").fast_pieces == ("on",)
    assert GuideConfig(fast="fused, bf16").fast_pieces == ("fused", "bf16")


def test_on_is_made_of_pieces_there_are() -> None:
    assert all(set(pieces) <= set(FAST_PIECES) for pieces in RECOMMENDED.values())


@pytest.mark.parametrize("attention", ["pha", "tam", "none"])
def test_detached_the_networks_and_optimizers_are_what_they_were(
    make_generator: Make, make_discriminator: Make, toy_training: Any, attention: str
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    training = toy_training(generator, discriminator)
    optimizers = [training.g_optimizer, training.d_optimizer]
    keys = list(generator.state_dict()), list(discriminator.state_dict())
    config = GuideConfig(attention=attention, fast="activations,bf16,fused")
    guide = attach(generator, discriminator, config, optimizers=optimizers)
    assert not generator[3].inplace and all(one.param_groups[0]["fused"] for one in optimizers)
    for _ in range(2):
        guide.bind(source := torch.rand(2, 3, 64, 64), ["a", "b"])
        training.step(source, torch.rand(2, 3, 64, 64))
    assert (list(generator.state_dict()), list(discriminator.state_dict())) == keys
    guide.detach()
    assert type(generator) is type(discriminator) is nn.Sequential
    assert not [name for name in vars(generator) if "guidegan" in name]
    assert generator[3].inplace and all(discriminator[place].inplace for place in (4, 7, 10))
    assert not any(one.param_groups[0]["fused"] for one in optimizers)
    training.step(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))


def test_one_line_says_what_was_done_and_one_a_piece_why_nothing(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    networks = make_generator(), make_discriminator()
    attach(*networks, GuideConfig(attention="none", fast="activations,tf32,loading,fused"), optimizers=adam(*networks))
    done = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    idle = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert done == ["pair A: fast: 4 activations out of place, fused step of 2 optimizers"]
    assert idle[0] == "pair A: fast: tf32 does nothing: the networks are on cpu, not on a CUDA device"
    assert "loading does nothing" in idle[1] and "DataLoader(pin_memory=True" in idle[1] and len(idle) == 2


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        ("activations", "no network has an in-place ReLU"),
        ("fused", "expected Adam or AdamW .*found SGD"),
        ("graphs", "not on a CUDA device"),
        ("benchmark", "not on a CUDA device"),
    ],
)
def test_a_piece_that_cannot_act_changes_nothing(caplog: pytest.LogCaptureFixture, piece: str, reason: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    Speedups(stages(network), [optimizer], object()).act([piece])
    assert caplog.records[0].levelno == logging.WARNING and len(caplog.records) == 1
    assert re.search(reason, caplog.text)
    assert type(network) is nn.Sequential and network[1].inplace and not optimizer.param_groups[0]["fused"]


def test_data_parallel_on_several_devices_is_not_met(caplog: pytest.LogCaptureFixture) -> None:
    network = nn.DataParallel(nn.Conv2d(3, 3, 1))
    network.device_ids = [0, 1]
    Speedups(stages(network), [], object()).act(["bf16"])
    assert "bf16 does nothing: nn.DataParallel" in caplog.text and type(network.module) is nn.Conv2d


def test_settings_of_the_process_are_restored_in_any_order(
    make_generator: Make, make_discriminator: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speedups.Speedups, "_needs_cuda", lambda self: None)
    before = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
    config = GuideConfig(fast="benchmark,tf32")
    networks = [make() for make in (make_generator, make_discriminator) * 2]  # guides hold them weakly
    one = attach(*networks[:2], config)
    other = attach(*networks[2:], config, name="B", beside=one)
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == (True, "high")
    one.detach(), other.detach()
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == before


def test_a_network_of_two_pairs_is_met_once_inside_of_both_guides(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    generators, discriminator = (make_generator(), make_generator()), make_discriminator()
    first = attach(generators[0], discriminator, GuideConfig(fast="bf16"))
    attach(generators[1], discriminator, GuideConfig(fast="bf16"), name="B", beside=first)
    kinds = [type(around).__name__ for around in arounds_of(discriminator)]
    assert kinds == ["method", "method", "FastCall"]


class Codes(nn.Module):
    """A translator in two methods, which notes in which precision they compute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.precise = nn.Conv2d(3, 3, 3, padding=1), list[bool]()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return self.decode(images)

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        self.precise.append(not torch.is_autocast_enabled("cpu"))
        return torch.Tensor(self.layer(code))


def test_a_network_is_fast_at_each_method_at_which_it_is_met(
    make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one, other, discriminator = Codes(), Codes(), make_discriminator()
    config = GuideConfig(fast="bf16", attention="none")
    guide = attach((one.encode, other.decode), discriminator, config)
    back = attach((other.encode, one.decode), discriminator, config, name="B", beside=guide)
    images = torch.rand(1, 3, 64, 64)
    other.decode(one.encode(images)), one.decode(other.encode(images))
    assert one.precise == other.precise == [False, False] and caplog.text.count("bfloat16 in 3 networks") == 2
    guide.detach(), back.detach(), one.encode(images), one.decode(images)
    assert one.precise[2:] == [True, True]


@pytest.mark.parametrize("first", [0, 1])
def test_what_two_pairs_share_stays_fast_until_the_last_is_detached(
    make_generator: Make, make_discriminator: Make, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speedups.Speedups, "_needs_cuda", lambda self: None)
    before = torch.backends.cudnn.benchmark
    generators, discriminator = (make_generator(), make_generator()), make_discriminator()
    optimizers, config = adam(*generators, discriminator), GuideConfig(fast="activations,bf16,fused,benchmark")
    one = attach(generators[0], discriminator, config, optimizers=optimizers)
    pairs = [one, attach(generators[1], discriminator, config, name="B", beside=one, optimizers=optimizers)]
    pairs[first].detach()
    kept, left = generators[1 - first], generators[first]
    assert not discriminator[4].inplace and not kept[3].inplace and left[3].inplace
    assert [type(around).__name__ for around in arounds_of(discriminator)] == ["method", "FastCall"]
    assert optimizers[2].param_groups[0]["fused"] and torch.backends.cudnn.benchmark and not arounds_of(left)
    pairs[1 - first].detach()
    assert discriminator[4].inplace and kept[3].inplace and not arounds_of(discriminator)
    assert not any(one.param_groups[0]["fused"] for one in optimizers) and torch.backends.cudnn.benchmark == before


class Marks:
    """Stands for speedups, and counts what it is told."""

    def __init__(self) -> None:
        self.begun = self.removed = 0

    def begin_step(self) -> None:
        self.begun += 1

    def renew(self) -> None:
        pass

    def remove(self) -> None:
        self.removed += 1


def test_a_step_begins_once_however_late_its_other_pairs_are_bound(
    make_generator: Make, make_discriminator: Make
) -> None:
    networks = [make() for make in (make_generator, make_discriminator) * 2]  # guides hold them weakly
    one = attach(*networks[:2])
    other = attach(*networks[2:], name="B", beside=one)
    marks = one.binding.companions["A"] = Marks()
    for step in range(1, 4):
        one.bind(torch.rand(1, 3, 64, 64), ["a"])
        other.bind(torch.rand(1, 3, 64, 64), ["b"])
        assert marks.begun == step
    one.detach()
    assert marks.removed == 1


def test_a_guided_class_is_sped_up(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    @guided(
        Pair(generator="netG", discriminator="netD", source="real", keys="keys", name="A"),
        config=GuideConfig(fast="activations,fused,bf16"),
    )
    class Trainer:
        def __init__(self) -> None:
            self.netG, self.netD = make_generator(), make_discriminator()
            self.optimizer = torch.optim.Adam([*self.netG.parameters(), *self.netD.parameters()], 2e-4)

        def train_step(self, batch: dict[str, Any]) -> torch.Tensor:
            self.real, self.keys = batch["A"], batch["keys"]
            fake = self.netG(self.real)
            self.optimizer.zero_grad()
            self.netD(fake).mean().backward()
            self.optimizer.step()
            return fake

    trainer = Trainer()
    fake = trainer.train_step({"A": torch.rand(2, 3, 64, 64), "keys": ["a", "b"]})
    assert fake.dtype == torch.float32 and trainer.optimizer.param_groups[0]["fused"] and not trainer.netG[3].inplace
    assert trainer.guides["A"].maps(["a"])[1].all()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["pair A: fast: 4 activations out of place, bfloat16 in 2 networks, fused step of 1 optimizers"]


def test_a_copy_of_a_fast_network_is_no_part_of_it(make_generator: Make, make_discriminator: Make) -> None:
    generator = make_generator()
    images, precise = torch.rand(1, 3, 64, 64), None
    precise = generator(images)
    attach(generator, make_discriminator(), GuideConfig(attention="none", fast="bf16"))
    assert torch.equal(copy.deepcopy(generator)(images), precise) and not torch.equal(generator(images), precise)


def test_of_a_guided_class_a_step_begins_with_the_batch(make_generator: Make, make_discriminator: Make) -> None:
    @guided(Pair(generator="netG", discriminator="netD", source="real", keys="keys", name="A"))
    class Trainer:
        def __init__(self) -> None:
            self.netG, self.netD = make_generator(), make_discriminator()

        def train_step(self, batch: dict[str, Any]) -> None:
            self.real, self.keys = batch["A"], batch["keys"]
            self.begun = marks.begun
            self.netD(self.netG(self.real)).mean().backward()

    trainer, marks = Trainer(), Marks()
    trainer.guides["A"].binding.companions["A"] = marks
    for step in range(1, 4):
        trainer.train_step({"A": torch.rand(2, 3, 64, 64), "keys": ["a", "b"]})
        assert trainer.begun == marks.begun == step


@pytest.mark.cuda
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.parametrize(
    ("fast", "attention"),
    [
        ("on", "pha"),
        ("on", "none"),
        ("compile", "pha"),
        ("graphs,bf16,activations,fused", "pha"),
        ("graphs,bf16", "tam"),
    ],
)
@pytest.mark.parametrize("judged_first", [False, True])
def test_on_a_gpu_the_pieces_train_to_finite_float32_that_is_not_written_over(
    make_generator: Make,
    make_discriminator: Make,
    caplog: pytest.LogCaptureFixture,
    fast: str,
    attention: str,
    judged_first: bool,
) -> None:
    if judged_first and "graphs" not in fast:
        pytest.skip("the order of the two updates matters to CUDA graphs alone")
    torch._dynamo.reset()
    generator, discriminator = make_generator().cuda(), make_discriminator().cuda()
    optimizers = adam(generator, discriminator)
    guide = attach(generator, discriminator, GuideConfig(attention=attention, fast=fast), optimizers=optimizers)
    fakes, means = [], []
    for _ in range(6):
        guide.bind(source := torch.rand(2, 3, 64, 64, device="cuda"), ["a", "b"])
        fakes.append(generator(source))
        for judges in (judged_first, not judged_first):  # pix2pix trains D while G's backward pass is still to come
            optimizers[judges].zero_grad()
            discriminator.requires_grad_(judges)
            if judges:
                loss = discriminator(torch.rand_like(source)).mean() - discriminator(fakes[-1].detach()).mean()
            else:
                loss = discriminator(fakes[-1]).square().mean()
            loss.backward()
            optimizers[judges].step()
        means.append(float(fakes[-1].detach().mean()))
    assert all(fake.dtype == torch.float32 and fake.isfinite().all() for fake in fakes)
    assert [float(fake.detach().mean()) for fake in fakes] == means and len(set(means)) == 6
    if attention != "none":
        assert guide.maps(["a", "b"])[1].all() and guide.statistics()["judged"] == 5
        assert guide.latest.isfinite().all()
    assert "cannot be compiled" not in caplog.text
    guide.detach()
