"""Who listens to a training: monitors are switched on by options, and called one by one."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pluggy

from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.reports import EpochReport, StepReport
from guidegan_plugin.plugins import hookspecs
from guidegan_plugin.plugins.entry_points import DISABLE
from guidegan_plugin.plugins.hookspecs import PROJECT
from guidegan_plugin.plugins.manager import collect, failures_named, implementations, is_ours, register
from guidegan_plugin.plugins.monitor import FREQUENCY, RUN, Monitor
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.options import PREFIX, add_arguments, read_options

_log = logging.getLogger(__name__)


def add_monitor_options(manager: pluggy.PluginManager, parser: argparse.ArgumentParser, is_train: bool) -> None:
    """Add every registered monitor's options to a host's parser.

    Raises:
        PluginError: If a monitor's options clash with others.
    """
    if is_train:
        parser.add_argument(f"--{FREQUENCY}", type=int, default=100, help="monitors show a step in so many")
    for name, monitor in collect(manager, "monitor").items():
        with _named(name, monitor):
            if is_train:
                add_arguments(parser, monitor.Options, f"{name}_")


def switch_on(manager: pluggy.PluginManager, options: Mapping[str, object], run: Path | None = None) -> None:
    """Let the monitors listen that a training's options ask for, in its first process.

    Args:
        manager: Whose monitors are asked; those that listen are registered with it.
        options: The training's, by name.
        run: Folder of the training's checkpoints, where anybody knows.

    Raises:
        GuideError: If one is asked for and cannot work.
    """
    for name, monitor in monitors_for(manager, options, run).items():
        manager.register(monitor, name=f"--guide_{name}")


def monitors_for(
    manager: pluggy.PluginManager, options: Mapping[str, object], run: Path | None = None
) -> dict[str, Monitor]:
    """The monitors that a training's options ask for, by name; none in any but its first process.

    Args:
        manager: Whose monitors are asked.
        options: As for :func:`switch_on`.
        run: As for :func:`switch_on`.

    Raises:
        GuideError: If one is asked for and cannot work.
    """
    options = options if run is None else {**options, RUN: str(run)}
    found: dict[str, Monitor] = {}
    for name, kind in collect(manager, "monitor").items() if is_first_rank() else ():
        with _named(name, kind):
            monitor = kind.from_options(read_options(kind.Options, _ours(options), f"{name}_"), options)
        if monitor is not None:
            # Tried here, where it is known by the option that asks for it.
            trial = pluggy.PluginManager(PROJECT)
            trial.add_hookspecs(hookspecs)
            register(trial, monitor, name, f"monitor {name!r} ({kind.__module__})", f"leave out --{PREFIX}{name}")
            found[name] = monitor
    return found


def _ours(options: Mapping[str, object]) -> dict[str, object]:
    """Our options among a training's, by their names without ``guide_``."""
    return {name.removeprefix(PREFIX): value for name, value in options.items() if name.startswith(PREFIX)}


def _named(name: str, monitor: type[Any]) -> AbstractContextManager[None]:
    cure = f"leave out --{PREFIX}{name}" if is_ours(monitor) else f"set {DISABLE} to its plugin"
    return failures_named(f"monitor {name!r} ({monitor.__module__}) failed", cure, passed=(GuideError,))


class Listeners:
    """Everybody who implements one of the two listening hooks, called one by one: who raises is dropped.

    Args:
        manager: Whose plugins listen.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._steps = implementations(manager, "guidegan_step_end")
        self._epochs = implementations(manager, "guidegan_epoch_end")

    @property
    def step(self) -> Callable[[StepReport], None] | None:
        """Passes a step's report on; None when nobody listens, so that none is made."""
        return (lambda report: self._tell(self._steps, report)) if self._steps else None

    @property
    def epoch(self) -> Callable[[EpochReport], None] | None:
        """Passes an epoch's report on; None when nobody listens."""
        return (lambda report: self._tell(self._epochs, report)) if self._epochs else None

    @staticmethod
    def _tell(listeners: list[tuple[str, Callable[..., Any]]], report: object) -> None:
        for one in list(listeners):
            name, listener = one
            try:
                listener(report=report)
            except (Exception, SystemExit) as error:  # whatever a monitor does, days of training must not die of it
                listeners.remove(one)
                _log.warning("monitor %s raised %s: %s; it is dropped", name, type(error).__name__, error)
