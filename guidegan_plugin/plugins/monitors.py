"""Monitors hear of a training and must never harm it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import pluggy

from guidegan_plugin.guidance.reports import EpochReport, StepReport

_log = logging.getLogger(__name__)


class Monitor:
    """Shows a training; a subclass implements ``guidegan_step_end`` or ``guidegan_epoch_end`` with ``hookimpl``."""

    name: ClassVar[str]


class Listeners:
    """Everybody who implements one of the two listening hooks, called one by one: who raises is dropped.

    Args:
        manager: Whose plugins listen.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._steps = self._of(manager.hook.guidegan_step_end)
        self._epochs = self._of(manager.hook.guidegan_epoch_end)

    @staticmethod
    def _of(hook: pluggy.HookCaller) -> dict[str, Callable[..., Any]]:
        return {
            implementation.plugin_name: (
                implementation.function if implementation.argnames else _without_report(implementation.function)
            )
            for implementation in hook.get_hookimpls()
        }

    @property
    def step(self) -> Callable[[StepReport], None] | None:
        """Passes a step's report on; None when nobody listens, so that none is made."""
        return (lambda report: self._tell(self._steps, report)) if self._steps else None

    @property
    def epoch(self) -> Callable[[EpochReport], None] | None:
        """Passes an epoch's report on; None when nobody listens."""
        return (lambda report: self._tell(self._epochs, report)) if self._epochs else None

    @staticmethod
    def _tell(listeners: dict[str, Callable[..., Any]], report: object) -> None:
        for name, listener in list(listeners.items()):
            try:
                listener(report=report)
            except Exception as error:  # whatever a monitor does, days of training must not die of it
                del listeners[name]
                _log.warning("monitor %s raised %s: %s; it is dropped", name, type(error).__name__, error)


def _without_report(listener: Callable[[], Any]) -> Callable[..., Any]:
    """A listener that declared no argument, as pluggy allows."""
    return lambda report: listener()
