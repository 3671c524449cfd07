"""Monitors are switched on by options of their own, in the first process of a training."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from guidegan_plugin import hookimpl
from guidegan_plugin.errors import ConfigError, PluginError
from guidegan_plugin.guidance.reports import EpochReport
from guidegan_plugin.plugins import listeners
from guidegan_plugin.plugins.listeners import Listeners, add_monitor_options, switch_on
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.plugins.monitor import Monitor
from guidegan_plugin.utils.options import NoOptions, option


@dataclass(frozen=True)
class CounterOptions:
    on: int = option(-1, "where it begins to count")


class Counter(Monitor):
    """Counts epochs."""

    name: ClassVar[str] = "counter"
    Options: ClassVar[type[CounterOptions]] = CounterOptions

    def __init__(self, start: int) -> None:
        self.count = start

    @classmethod
    def from_options(cls, options: CounterOptions, run: Mapping[str, object]) -> Monitor | None:
        if options.on == 0:
            raise ConfigError("counter: expected more than 0; change --guide_counter")
        if options.on == 1:
            raise KeyError("one")
        return cls(options.on) if options.on > 0 else None

    @hookimpl
    def guidegan_epoch_end(self, report: EpochReport) -> None:
        self.count += report.epoch


@dataclass(frozen=True)
class SwitchedOptions:
    on: bool = option(False, "whether it shows anything")


class Switched(Monitor):
    """Has a switch, and says nothing of how it is built."""

    name: ClassVar[str] = "switched"
    Options: ClassVar[type[SwitchedOptions]] = SwitchedOptions


class Plugin:
    @hookimpl
    def guidegan_register_monitor(self) -> list[type[Monitor]]:
        return [Counter]


def options(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_monitor_options(create_manager([Plugin()]), parser, True)
    return vars(parser.parse_args(words))


def test_every_registered_monitors_options_are_added_for_training_only() -> None:
    assert {"guide_counter", "guide_visdom", "guide_tensorboard", "guide_wandb", "guide_monitor_freq"} < set(options())
    parser = argparse.ArgumentParser()
    add_monitor_options(create_manager([Plugin()]), parser, False)
    assert vars(parser.parse_args([])) == {}


def test_a_monitor_listens_where_its_option_says_so_and_nowhere_else() -> None:
    manager = create_manager([Plugin()])
    switch_on(manager, options())
    assert Listeners(manager).epoch is None and Listeners(manager).step is None
    switch_on(manager, options("--guide_counter", "5"))
    counter = manager.get_plugin("--guide_counter")
    Listeners(manager).epoch(EpochReport("A", 2, {}))
    assert counter.count == 7


def test_other_ranks_switch_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "is_first_rank", lambda: False)
    switch_on(manager := create_manager([Plugin()]), options("--guide_counter", "5"))
    assert manager.get_plugin("--guide_counter") is None


def test_a_monitor_that_cannot_work_stops_the_run_before_it_begins() -> None:
    with pytest.raises(ConfigError, match="expected more than 0"):
        switch_on(create_manager([Plugin()]), options("--guide_counter", "0"))
    with pytest.raises(PluginError, match=r"monitor 'counter' \(.*\) failed: KeyError: 'one'; set GUIDEGAN_DISABLE"):
        switch_on(create_manager([Plugin()]), options("--guide_counter", "1"))


def test_options_that_clash_are_refused_naming_the_monitor() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--guide_counter")
    with pytest.raises(PluginError, match=r"monitor 'counter' .* conflicting option string"):
        add_monitor_options(create_manager([Plugin()]), parser, True)


def test_a_monitor_without_options_is_never_switched_on_by_them() -> None:
    assert Monitor.from_options(NoOptions(), {"guide_visdom": True}) is None


@pytest.mark.parametrize("on", [True, False])
def test_a_monitor_that_says_nothing_else_is_switched_on_by_its_field_on(on: bool) -> None:
    built = Switched.from_options(Switched.Options(on=on), {})
    assert isinstance(built, Switched) is on


@pytest.mark.parametrize(
    ("hook", "cause"),
    [
        ("guidegan_epoch_ends(self, report)", "unknown hook 'guidegan_epoch_ends'"),
        ("guidegan_epoch_end(self, rapport)", r"Argument\(s\) {.rapport.}"),
    ],
)
def test_a_monitor_whose_hook_does_not_exist_is_refused_by_its_option(hook: str, cause: str) -> None:
    body: dict[str, Any] = {"hookimpl": hookimpl}
    exec(f"@hookimpl\ndef {hook}: pass", body)
    method = hook.partition("(")[0]
    kind = type("Mistaken", (Counter,), {"guidegan_epoch_end": None, method: body[method]})

    class Registering:
        @hookimpl
        def guidegan_register_monitor(self) -> list[type[Monitor]]:
            return [kind]

    manager = create_manager([Registering()])
    with pytest.raises(PluginError, match=rf"^monitor 'counter' .* {cause}.*; leave out --guide_counter$") as caught:
        switch_on(manager, {"guide_counter": 5})
    assert "\n" not in str(caught.value)


def test_a_plugin_listens_with_as_many_functions_as_it_has() -> None:
    heard = []

    class Double:
        @hookimpl
        def guidegan_epoch_end(self) -> None:
            heard.append("one")

        @hookimpl(specname="guidegan_epoch_end")
        def other(self, report: EpochReport) -> None:
            heard.append(report.pair)

    told = Listeners(create_manager([Double()])).epoch
    assert told is not None
    told(EpochReport("A", 1, {}))
    assert sorted(heard) == ["A", "one"]


class Exiting:
    """Ends the process wherever it is asked."""

    @hookimpl
    def guidegan_register_monitor(self) -> list[type[Monitor]]:
        return [ExitingMonitor]

    @hookimpl
    def guidegan_epoch_end(self, report: EpochReport) -> None:
        raise SystemExit("a monitor that exits")


class ExitingMonitor(Monitor):
    name = "exiting"

    @classmethod
    def from_options(cls, options: NoOptions, run: Mapping[str, object]) -> Monitor | None:
        raise SystemExit(1)


def test_a_monitor_that_exits_ends_no_training_and_no_command(caplog: pytest.LogCaptureFixture) -> None:
    manager = create_manager([Exiting()])
    with pytest.raises(PluginError, match=r"monitor 'exiting' \(.*\) failed: SystemExit: 1; set GUIDEGAN_DISABLE"):
        switch_on(manager, options())
    told = Listeners(manager).epoch
    assert told is not None
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            told(EpochReport("A", 1, {}))
    assert caplog.text.count("SystemExit: a monitor that exits; it is dropped") == 1
