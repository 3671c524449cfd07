from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach, hookimpl
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.errors import ConfigError, PluginError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.concatenation.transfer import Transfer
from guidegan_plugin.guidance.reports import EpochReport, StepReport
from guidegan_plugin.plugins.monitor import Monitor

Make = Callable[..., nn.Module]


def test_attach_gives_papers_defaults_and_says_what_is_where(make_generator: Make, make_discriminator: Make) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator)
    assert (
        guide.name == "A"
        and guide.pair["attention"] == "8 (Conv2d)"
        and "(T(A) + 1) * x" in guide.pair["concatenation"]
    )


def test_unknown_names_are_refused_before_anything_is_attached(make_generator: Make, make_discriminator: Make) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    for config in (GuideConfig(attention="x"), GuideConfig(concat="x"), GuideConfig(transfer="x")):
        with pytest.raises(PluginError, match="'x' is unknown"):
            attach(generator, discriminator, config)
    assert not generator._forward_pre_hooks and not discriminator._forward_hooks


def test_a_generator_that_cannot_be_widened_is_left_without_hooks(make_discriminator: Make) -> None:
    generator, discriminator = nn.Sequential(nn.Conv2d(3, 3, 1, groups=3)), make_discriminator()
    with pytest.raises(ConfigError, match="widened"):
        attach(generator, discriminator, GuideConfig(concat="alpha"))
    assert not generator._forward_pre_hooks and not discriminator._forward_pre_hooks


class Plugin:
    """One of each, as a third party would write it."""

    class Inverted(PostHocAttention):
        name = "inverted"

        def take_maps(self, prediction: object) -> Tensor | None:
            maps = super().take_maps(prediction)
            return None if maps is None else 1 - maps

    class Flat(Transfer):
        name = "flat"

        def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
            return maps.mean((2, 3), keepdim=True).expand(-1, -1, *size)

    class Printer(Monitor):
        name = "printer"

    @hookimpl
    def guidegan_register_attention(self) -> list[type[Attention]]:
        return [self.Inverted]

    @hookimpl
    def guidegan_register_transfer(self) -> list[type[Transfer]]:
        return [self.Flat]

    @hookimpl
    def guidegan_register_monitor(self) -> list[type[Monitor]]:
        return [self.Printer]


def test_a_plugins_mechanisms_are_used_by_name(make_generator: Make, make_discriminator: Make) -> None:
    generator, discriminator, images = make_generator(), make_discriminator(), torch.rand(1, 3, 64, 64)
    plain = attach(generator, discriminator)
    expected = 1 - plain.look(images)[1]
    plain.detach()
    guide = attach(generator, discriminator, GuideConfig(attention="inverted", transfer="flat"), [Plugin()])
    assert torch.equal(guide.look(images)[1], expected) and isinstance(guide.transfer, Plugin.Flat)


class Listener:
    """Hears of steps and epochs."""

    def __init__(self) -> None:
        self.steps: list[StepReport] = []
        self.epochs: list[EpochReport] = []

    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        self.steps.append(report)

    @hookimpl
    def guidegan_epoch_end(self, report: EpochReport) -> None:
        self.epochs.append(report)


class Failing:
    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        raise ConnectionError("server away")

    @hookimpl
    def guidegan_epoch_end(self) -> None:
        raise ConnectionError("server away")


def test_monitors_hear_of_a_step_at_the_next_bind_and_one_that_raises_is_dropped_with_one_warning(
    make_generator: Make, make_discriminator: Make, toy_training: Any, caplog: pytest.LogCaptureFixture
) -> None:
    listener, failing = Listener(), Failing()
    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator, plugins=[failing, listener])
    training = toy_training(generator, discriminator)
    for index in range(3):
        source = torch.full((1, 3, 64, 64), index / 10)
        guide.bind(source, [f"image {index}"])
        assert len(listener.steps) == index
        fake = training.step(source, torch.rand(1, 3, 64, 64))
        del source
    guide.bind(torch.rand(1, 3, 64, 64), ["last"])
    statistics = guide.statistics()
    guide.end_epoch()
    report = listener.steps[-1]
    assert (report.pair, report.step, report.keys) == ("A", 3, ("image 2",))
    assert (report.images == 0.2).all() and torch.equal(report.output, fake.detach())
    assert report.maps.shape == (1, 1, 7, 7) and report.blended.shape == (1, 1, 1, 1)
    assert not report.output.requires_grad and not report.maps.requires_grad
    assert listener.epochs == [EpochReport("A", 1, statistics)] and guide.statistics()["epoch_visits"] == 0
    assert caplog.text.count("ConnectionError: server away; it is dropped") == 2, "once a hook"


def test_a_step_without_judgement_is_not_reported(make_generator: Make, make_discriminator: Make) -> None:
    listener, generator = Listener(), make_generator()
    discriminator = make_discriminator()
    guide = attach(generator, discriminator, plugins=[listener])
    for _ in range(2):
        images = torch.rand(1, 3, 64, 64)
        guide.bind(images, ["a"])
        generator(images)
    assert not listener.steps


def test_pairs_of_one_training_share_the_transfer_block_and_the_binding(
    make_generator: Make, make_discriminator: Make
) -> None:
    factory, networks = GuideFactory.open(GuideConfig()), [make_generator(), make_discriminator(), make_generator()]
    one = factory.guide(networks[0], networks[1], "A")
    other = factory.guide(networks[2], None, "B")
    assert one.transfer is other.transfer and one.binding is other.binding and one.store is not other.store


def test_a_pair_attached_beside_another_shares_transfer_and_binding(
    make_generator: Make, make_discriminator: Make
) -> None:
    networks = [make_generator(), make_discriminator(), make_generator(), make_discriminator()]
    one = attach(networks[0], networks[1])
    with pytest.raises(ConfigError, match=r"named 'A' already; change name="):
        attach(networks[2], networks[3], beside=one)
    with pytest.raises(ConfigError, match=r"'bilinear' in pair A and 'flat' beside it; change transfer="):
        attach(networks[2], networks[3], GuideConfig(transfer="flat"), [Plugin()], name="B", beside=one)
    with pytest.raises(ConfigError, match=r"name: expected letters and digits, found 'B.1'"):
        attach(networks[2], networks[3], name="B.1")
    assert not networks[2]._forward_pre_hooks
    other = attach(networks[2], networks[3], name="B", beside=one)
    assert one.transfer is other.transfer and one.binding is other.binding and one.store is not other.store


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config": {"layer": 3}}, "config: expected a GuideConfig, found dict; change config="),
        ({"plugins": Listener}, "plugins: expected plugins in a list, found type; change plugins="),
        ({"optimizers": torch.optim.SGD([torch.zeros(1)], 0.1)}, r"in a list, found SGD; .* to \[optimizer\]"),
        ({"optimizers": {"G": None}}, r"optimizers: expected the training's optimizers in a list, found str"),
        ({"beside": "A"}, "beside: expected the guide of another pair, found str; change beside="),
        ({"judged": "affine"}, r"judged: expected a function .*GuideConfig has a judged of its own.*found 'affine'"),
        ({"key_of": "paths"}, "key_of: expected a function of key and call, found 'paths'; change key_of="),
        ({"total_steps": "9"}, "total_steps: expected a number of batches, found str; change total_steps="),
        ({"name": 1}, "name: expected letters and digits, found 1; change name="),
    ],
    ids=str,
)
def test_an_argument_of_another_type_is_refused_before_anything_is_attached(
    make_generator: Make, make_discriminator: Make, given: Any, message: str
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    with pytest.raises(ConfigError, match=message):
        attach(generator, discriminator, **given)
    assert type(generator) is type(discriminator) is nn.Sequential


class Trainable(Transfer):
    name = "trainable"

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return nn.functional.interpolate(maps, size) * self.scale


class TrainablePlugin:
    @hookimpl
    def guidegan_register_transfer(self) -> list[type[Transfer]]:
        return [Trainable]


def test_a_trainable_transfer_block_joins_the_generators_optimizer_once_and_follows_its_schedule(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    generators, discriminators = [make_generator(), make_generator()], [make_discriminator(), make_discriminator()]
    training = toy_training(generators[0], discriminators[0])
    schedule = torch.optim.lr_scheduler.LambdaLR(training.g_optimizer, lambda step: 0.5**step)
    config, optimizers = GuideConfig(transfer="trainable"), (training.d_optimizer, training.g_optimizer)
    guide = attach(generators[0], discriminators[0], config, [TrainablePlugin()], optimizers=optimizers)
    beside = attach(
        generators[1], discriminators[1], config, [TrainablePlugin()], optimizers=optimizers, name="B", beside=guide
    )
    assert [len(optimizer.param_groups[0]["params"]) for optimizer in optimizers] == [10, 5]
    images = torch.rand(2, 3, 64, 64)
    guide.bind(images, ["a", "b"])
    training.step(images, torch.rand(2, 3, 64, 64))
    schedule.step()
    assert beside.transfer.scale != 0.5 and training.g_optimizer.param_groups[0]["lr"] == 1e-4


def test_new_parameters_that_would_not_be_trained_are_refused_or_warned_of(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    generator, discriminator, config = make_generator(), make_discriminator(), GuideConfig(transfer="trainable")
    optimizer = torch.optim.SGD(discriminator.parameters(), 0.1)
    with pytest.raises(ConfigError, match=r"none of 1 param groups holds the generator's parameters.*optimizers="):
        attach(generator, discriminator, config, [TrainablePlugin()], optimizers=[optimizer])
    assert not generator._forward_pre_hooks and not discriminator._forward_hooks
    attach(generator, discriminator, config, [TrainablePlugin()])
    assert "give the new parameters of guide.networks() (T) to an optimizer" in caplog.text
