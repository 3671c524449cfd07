"""What a monitor is: it hears of a training and must never harm the training."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import ClassVar

FREQUENCY = "guide_monitor_freq"
RUN = "guide_run"


class Monitor:
    """Shows a training; a subclass implements ``guidegan_step_end`` or ``guidegan_epoch_end`` with ``hookimpl``."""

    name: ClassVar[str]

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Add this monitor's own ``--guide_<name>...`` options to a host's parser; by default it has none.

        Args:
            parser: The host's.
            is_train: Whether it reads a training's command line; monitors are for training only.
        """

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Monitor | None:
        """Build the monitor from a training's parsed options.

        Args:
            options: By name, with the host's own, such as ``name``. Everybody's are ``guide_monitor_freq``, and
                ``guide_run``, the folder of the training's checkpoints, where the host says which that is.

        Returns:
            The monitor, None where the options do not switch it on.

        Raises:
            GuideError: If they do and it cannot work.
        """
        return None
