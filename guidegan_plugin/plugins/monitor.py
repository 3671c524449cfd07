"""What a monitor is: it hears of a training and must never harm the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guidegan_plugin.utils.options import NoOptions

FREQUENCY = "guide_monitor_freq"
RUN = "guide_run"


class Monitor:
    """Shows a training; a subclass implements ``guidegan_step_end`` or ``guidegan_epoch_end`` with ``hookimpl``.

    Attributes:
        name: What the names of the monitor's options begin with.
        Options: A frozen dataclass, its fields made by :func:`~guidegan_plugin.utils.options.option`. A field ``port``
            is ``--guide_<name>_port`` in a training, and a field ``on`` is ``--guide_<name>`` itself.
    """

    name: ClassVar[str]
    Options: ClassVar[type[Any]] = NoOptions

    @classmethod
    def from_options(cls, options: Any, run: Mapping[str, object]) -> Monitor | None:
        """Build the monitor of a training.

        Args:
            options: An object of ``Options``.
            run: All parsed options of the training by name: the host's own, such as ``name``, and everybody's:
                ``guide_monitor_freq``, and ``guide_run``, the folder of the training's checkpoints, where the host says
                which that is.

        Returns:
            The monitor, None where the options do not switch it on. By default the class itself is called, without
            arguments, where a flag ``on`` is set.

        Raises:
            GuideError: If they do and it cannot work.
        """
        return cls() if getattr(options, "on", False) is True else None
