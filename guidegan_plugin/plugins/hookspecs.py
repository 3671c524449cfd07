"""The hooks a plugin may implement. ``register`` hooks return classes with a ``name``; the others only listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from guidegan_plugin.guidance.attention.base import Attention
    from guidegan_plugin.guidance.concatenation.base import Concatenation
    from guidegan_plugin.guidance.concatenation.transfer import Transfer
    from guidegan_plugin.guidance.reports import EpochReport, StepReport
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.plugins.monitor import Monitor

PROJECT = "guidegan"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as an implementation of the hook of its name."""


@hookspec
def guidegan_register_attention() -> list[type[Attention]]:  # type: ignore[empty-body]  # a specification
    """Attention mechanisms: how a map falls out of a discriminator."""


@hookspec
def guidegan_register_concatenation() -> list[type[Concatenation]]:  # type: ignore[empty-body]  # a specification
    """Concatenations: how a map enters a generator's input."""


@hookspec
def guidegan_register_transfer() -> list[type[Transfer]]:  # type: ignore[empty-body]  # a specification
    """Transfer blocks: from a discriminator's resolution to a generator's input."""


@hookspec
def guidegan_register_host() -> list[type[Host]]:  # type: ignore[empty-body]  # a specification
    """Hosts: how a codebase is recognised and its models are guided."""


@hookspec
def guidegan_register_monitor() -> list[type[Monitor]]:  # type: ignore[empty-body]  # a specification
    """Monitors: what can show a training, each switched on by its own option."""


@hookspec
def guidegan_step_end(report: StepReport) -> None:
    """A visit of one pair is over; runs inside the training loop, so it must not wait."""


@hookspec
def guidegan_epoch_end(report: EpochReport) -> None:
    """An epoch of one pair is over."""
