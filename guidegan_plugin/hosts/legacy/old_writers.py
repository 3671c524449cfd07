"""Writers of TensorBoard's files that hosts import from packages that are missing, or have changed since."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace

from guidegan_plugin.hosts.legacy.stand_in import MissingPackage
from guidegan_plugin.utils.packages import is_installed

_log = logging.getLogger(__name__)


class Silent:
    """Takes whatever a writer takes, and writes nothing."""

    def __init__(self, *args: object, **options: object) -> None:
        pass

    def __getattr__(self, name: str) -> type[Silent]:
        if name.startswith("__"):  # so that copies and the like see an ordinary object
            raise AttributeError(name)
        return Silent


class _SilentSummary(Silent):
    Image = Value = Silent


def _tensorboardx() -> Mapping[str, object]:
    if _says_that_nothing_is_written():
        return {"SummaryWriter": Silent}
    from torch.utils.tensorboard import SummaryWriter

    return {"SummaryWriter": SummaryWriter}


def _tensorflow() -> Mapping[str, object]:
    if _says_that_nothing_is_written():
        return {"Summary": _SilentSummary, "summary": SimpleNamespace(FileWriter=Silent)}
    with _hidden("tensorflow"):
        from tensorboard.compat import tf

        tf.io  # noqa: B018 - at the first use, here, TensorBoard decides that it has no TensorFlow and uses its own files
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard.writer import FileWriter

    return {"Summary": Summary, "summary": SimpleNamespace(FileWriter=FileWriter)}


def _says_that_nothing_is_written() -> bool:
    if is_installed("tensorboard"):
        return False
    _log.warning("the host's TensorBoard curves are not written; pip install tensorboard to have them")
    return True


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Within, importing a module fails."""
    shown = sys.modules[module]
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules[module] = shown


_OTHERWISE = "without tensorboard installed a writer that writes nothing, and says so once"

WRITERS = (
    MissingPackage(
        "tensorboardX",
        "is not installed",
        f"`SummaryWriter` of torch; {_OTHERWISE}",
        ("MUNIT", "UNIT"),
        ("tensorboardX",),
        _tensorboardx,
    ),
    MissingPackage(
        "tensorflow",
        "is not installed, and has no `summary.FileWriter` since version 2",
        f"`Summary` and `summary.FileWriter` of TensorBoard; {_OTHERWISE}",
        ("StarGAN", "pix2pixHD"),
        ("tensorflow",),
        _tensorflow,
    ),
)
