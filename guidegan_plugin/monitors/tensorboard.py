"""The same pictures and curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.live import EVERY, LiveMonitor, every_from, require, text_from
from guidegan_plugin.monitors.worker import Screen
from guidegan_plugin.plugins.monitor import RUN
from guidegan_plugin.utils.options import option

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

_BESIDE = "beside the checkpoints"


class TensorBoardScreen(Screen):
    """Images ``guide_<pair>/<name>`` and scalars ``guide_curves_<name>/<trace>``.

    Args:
        folder: Of the event files.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # now, because an import holds up the training

        self._open, self._folder = SummaryWriter, folder
        self._writer: SummaryWriter | None = None

    def open(self) -> None:
        """Begin an event file."""
        self._writer = self._open(str(self._folder))

    def show(self, frame: Frame) -> None:
        """Add the frame's pictures and points at its step."""
        if self._writer is None:
            return
        for name, picture in frame.pictures.items():
            self._writer.add_image(f"guide_{frame.pair}/{name}", picture, frame.step, dataformats="HWC")
        for name, points in frame.curves.items():
            for trace, value in points.items():
                self._writer.add_scalar(f"guide_curves_{name}/{trace}", value, frame.step)

    def close(self) -> None:
        """End the event file."""
        if self._writer is not None:
            self._writer.close()


@dataclass(frozen=True)
class TensorBoardOptions:
    """The option of the TensorBoard monitor, ``tensorboard``."""

    on: str = option(
        "",
        "event files for TensorBoard in DIR, by default tensorboard/ beside the checkpoints",
        metavar="DIR",
        implied=_BESIDE,
    )


class TensorBoardMonitor(LiveMonitor):
    """Writes event files; ``tensorboard --logdir FOLDER`` shows them.

    Args:
        folder: Of the event files.
        every: Steps from frame to frame.
        value_range: Of the training's images.

    Raises:
        ConfigError: If the package is missing.
    """

    name: ClassVar[str] = "tensorboard"
    Options: ClassVar[type[TensorBoardOptions]] = TensorBoardOptions

    def __init__(self, folder: Path, every: int = EVERY, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        require("tensorboard")
        super().__init__(TensorBoardScreen(folder), every, value_range)

    @classmethod
    def from_options(cls, options: TensorBoardOptions, run: Mapping[str, object]) -> TensorBoardMonitor | None:
        """Where ``--guide_tensorboard`` says so, with or without a folder."""
        if options.on != _BESIDE:
            return cls(Path(options.on), every_from(run)) if options.on else None
        return cls(Path(text_from(run, RUN, ".")) / "tensorboard", every_from(run))
