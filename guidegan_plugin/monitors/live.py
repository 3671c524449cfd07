"""What live monitors have in common: every so many steps a frame goes to a thread that shows it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import partial

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.reports import EpochReport, StepReport
from guidegan_plugin.monitors.frames import Frame, take
from guidegan_plugin.monitors.worker import Screen, Worker
from guidegan_plugin.plugins.hookspecs import hookimpl
from guidegan_plugin.plugins.monitor import FREQUENCY, Monitor
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.packages import install_command, is_installed

EVERY = 100


class LiveMonitor(Monitor):
    """Shows a frame at a pair's first step and then every so many; the first process of a training does, alone.

    Args:
        screen: Where.
        every: Steps from frame to frame.
        value_range: Of the training's images.

    Raises:
        ConfigError: If ``every`` is below 1.
    """

    def __init__(self, screen: Screen, every: int = EVERY, value_range: tuple[float, float] = (-1.0, 1.0)) -> None:
        if every < 1:
            raise ConfigError(f"every: expected a number of steps from 1, found {every}; change every= (--{FREQUENCY})")
        cure = f"raise --{FREQUENCY} (every=)"
        self._worker = Worker(screen, self.name, cure=cure)
        weakref.finalize(self, self._worker.close).atexit = False  # the worker sees to the process's end, in time
        self._every, self._range = every, value_range
        self._steps: dict[str, int] = {}
        self._losses_shown = 0

    @property
    def dropped(self) -> int:
        """Frames that were not shown, because they came faster than they could be."""
        return self._worker.dropped

    @hookimpl
    def guidegan_step_end(self, report: StepReport) -> None:
        """Show the step, if it is its turn."""
        self._steps[report.pair] = report.step
        if (report.step == 1 or report.step % self._every == 0) and is_first_rank():
            with_losses, self._losses_shown = report.step != self._losses_shown, report.step
            self._worker.offer(partial(take, report, with_losses, self._range))

    @hookimpl
    def guidegan_epoch_end(self, report: EpochReport) -> None:
        """Show what is counted once an epoch: first visits, and how many batches were bound, read for, and judged."""
        found = report.statistics
        curves = {"never_visited": {report.pair: found["never_visited"]}} if "never_visited" in found else {}
        counted = {f"{report.pair} {name}": found[name] for name in ("bound", "read", "judged") if name in found}
        curves |= {"guided": counted} if counted else {}
        if is_first_rank() and curves:
            step = self._steps.get(report.pair, 0)
            self._worker.offer(lambda: partial(Frame, report.pair, step, "", {}, curves))

    def close(self) -> None:
        """Show what is waiting, for two seconds at most; the end of the process does it, too."""
        self._worker.close()


def require(package: str, option: str | None = "") -> None:
    """Make sure that a monitor's package is there.

    Args:
        package: The package.
        option: What asked for it, without ``--guide_``; by default the package's name. None where no option did.

    Raises:
        ConfigError: If it is not.
    """
    if not is_installed(package):
        other = "" if option is None else f", or leave out --guide_{option or package}"
        raise ConfigError(f"{package} is not installed; install it ({install_command(package)}){other}")


def every_from(options: Mapping[str, object]) -> int:
    """Steps from frame to frame, as ``--guide_monitor_freq`` says."""
    every = options.get(FREQUENCY, EVERY)
    return every if isinstance(every, int) else EVERY


def text_from(options: Mapping[str, object], name: str, default: str = "") -> str:
    """A parsed option that is a text, the default where it is missing or empty."""
    return str(options.get(name) or default)
