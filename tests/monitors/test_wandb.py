"""Weights & Biases, offline: a run of our own, or the host's."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.frames import take
from guidegan_plugin.monitors.wandb import WandbMonitor, WandbScreen

pytest.importorskip("wandb")

OFFLINE = """
import os, sys, torch, wandb
host = wandb.init(project="host", name="host run") if sys.argv[1] == "joins" else None
from guidegan_plugin.guidance.reports import StepReport
from guidegan_plugin.monitors.wandb import WandbMonitor
monitor = WandbMonitor("ours", "our run", every=1)
images, maps = torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 4, 4)
for step in (1, 2):
    if host is not None:
        host.log({"G_A": 0.5})
    monitor.guidegan_step_end(StepReport("A", step, ("one.png",), images, maps, maps, images, losses={"G_A": 1.5}))
import time
while monitor._worker._frames.qsize() > 1:  # until the run is there
    time.sleep(0.01)
"""


def records(data: bytes) -> Iterator[bytes]:
    """Records of wandb's log: LevelDB's format behind 7 bytes, in blocks of 32 KiB."""
    record, at = b"", 7
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:  # no room for a header: padding
            at += 2**15 - at % 2**15
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or last part
            yield record
            record = b""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["joins", "begins"])
def test_a_process_that_ends_has_logged_everything_to_one_run(tmp_path: Path, how: str) -> None:
    from wandb.proto import wandb_internal_pb2

    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, how], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    keys, names = [], set()
    for data in records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        keys += [item.key or "/".join(item.nested_key) for item in record.history.item]
        names |= {record.run.display_name} - {""}
    assert names == {"host run" if how == "joins" else "our run"}
    pictures, curves = ("guide_A/input", "guide_A/output"), ("guide_curves_entropy/A", "guide_curves_losses/G_A")
    for key in (*(f"{name}/_type" for name in pictures), *curves, "guide_step"):
        assert keys.count(key) == 2, (key, keys)


def test_frames_are_logged_over_a_step_of_their_own(make_report) -> None:  # type: ignore[no-untyped-def]
    logged: list[dict] = []
    run = SimpleNamespace(define_metric=lambda *args, **keywords: None, log=logged.append)
    screen = WandbScreen(None, None)
    screen._wandb = SimpleNamespace(run=run, Image=lambda picture, caption: (picture.shape, caption))
    screen.open()
    screen.show(take(make_report(7))())
    assert logged[0]["guide_step"] == 7 and logged[0]["guide_curves_losses/cycle_A"] == 2.5
    assert logged[0]["guide_A/output"] == ((8, 12, 3), "trainA/<one>.png")


def test_options_switch_it_on_with_the_hosts_project_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple] = []
    monkeypatch.setattr(WandbMonitor, "__init__", lambda self, *values: made.append(values))
    assert WandbMonitor.from_options(WandbMonitor.Options(), {}) is None
    WandbMonitor.from_options(WandbMonitor.Options(on=True), {"name": "zebra", "wandb_project_name": "maps"})
    WandbMonitor.from_options(WandbMonitor.Options(on=True), {})
    assert made == [("maps", "zebra", 100), (None, None, 100)]


def test_a_missing_package_is_said_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install it \(pip install wandb\), or leave out --guide_wandb"):
        WandbMonitor()
