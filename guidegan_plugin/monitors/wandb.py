"""The same pictures and curves for Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from guidegan_plugin.monitors.frames import Frame
from guidegan_plugin.monitors.live import EVERY, LiveMonitor, every_from, require, text_from
from guidegan_plugin.monitors.worker import Screen
from guidegan_plugin.utils.options import option

if TYPE_CHECKING:
    from wandb import Run

_STEP = "guide_step"


class WandbScreen(Screen):
    """Images ``guide_<pair>/<name>`` and curves ``guide_curves_<name>/<trace>`` over ``guide_step``.

    Args:
        project: Of a new run; None leaves it to wandb (``WANDB_PROJECT``).
        run_name: Of a new run.
    """

    def __init__(self, project: str | None, run_name: str | None) -> None:
        import wandb  # now, because an import holds up the training

        self._wandb, self._project, self._run_name = wandb, project, run_name
        self._run: Run | None = None

    def open(self) -> None:
        """Join the run that the host has begun, or begin one."""
        self._run = self._wandb.run or self._wandb.init(project=self._project, name=self._run_name)
        # An axis of our own, because a host that logs to the same run moves wandb's.
        self._run.define_metric(_STEP)
        self._run.define_metric("guide_*", step_metric=_STEP)

    def show(self, frame: Frame) -> None:
        """Log the frame's pictures and points."""
        if self._run is None:
            return
        shown: dict[str, object] = {_STEP: frame.step}
        for name, picture in frame.pictures.items():
            shown[f"guide_{frame.pair}/{name}"] = self._wandb.Image(picture, caption=frame.caption)
        for name, points in frame.curves.items():
            shown |= {f"guide_curves_{name}/{trace}": value for trace, value in points.items()}
        self._run.log(shown)  # nothing closes the run but wandb, with the process: the run may be the host's


@dataclass(frozen=True)
class WandbOptions:
    """The option of the Weights & Biases monitor, ``wandb``."""

    on: bool = option(False, "log to Weights & Biases")


class WandbMonitor(LiveMonitor):
    """Logs to the active run of Weights & Biases, or to one it begins; ``WANDB_MODE=offline`` works as ever.

    Args:
        project: Of a new run.
        run_name: Of a new run.
        every: Steps from frame to frame.
        value_range: Of the training's images.

    Raises:
        ConfigError: If the package is missing.
    """

    name: ClassVar[str] = "wandb"
    Options: ClassVar[type[WandbOptions]] = WandbOptions

    def __init__(
        self,
        project: str | None = None,
        run_name: str | None = None,
        every: int = EVERY,
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        require("wandb")
        super().__init__(WandbScreen(project, run_name), every, value_range)

    @classmethod
    def from_options(cls, options: WandbOptions, run: Mapping[str, object]) -> WandbMonitor | None:
        """Where ``--guide_wandb`` says so; a host's own ``--wandb_project_name`` is taken."""
        if not options.on:
            return None
        project, name = text_from(run, "wandb_project_name"), text_from(run, "name")
        return cls(project or None, name or None, every_from(run))
