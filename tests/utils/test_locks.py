"""One process a folder; what holds it ends with the process, however that ends."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guidegan_plugin.errors import HostError
from guidegan_plugin.utils.locks import FolderLock

HOLD = """
import os, sys, time
from pathlib import Path
from guidegan_plugin.utils.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]), "change --name")
child = os.fork() if sys.argv[2:] else 1
if child == 0:
    lock.release()
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run"), *getattr(request, "param", [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.child = int(process.stdout.readline())  # type: ignore[attr-defined]
        yield process
        process.kill()


def test_a_second_process_is_refused_by_name_and_told_who_is_there(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    said = rf"^another training writes into \S*/run \(process {holder.pid} on \S+, since .*\); change --name$"
    for _ in range(2):
        with pytest.raises(HostError, match=said):
            FolderLock(tmp_path / "run", "change --name")
    FolderLock(tmp_path / "other", "change --name").release()


@pytest.mark.parametrize("holder", [["fork"]], indirect=True)
def test_a_killed_process_leaves_none_behind_though_a_child_lives_on(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(HostError):
        FolderLock(tmp_path / "run", "change --name")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    FolderLock(tmp_path / "run", "change --name").release()
    os.kill(holder.child, signal.SIGKILL)  # type: ignore[attr-defined]


def test_released_it_leaves_nothing_and_is_free(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, "change --name")
    assert [path.name for path in tmp_path.iterdir()] == [".guide_lock"]
    lock.release()
    lock.release()
    assert not list(tmp_path.iterdir())
    again = FolderLock(tmp_path, "change --name")
    FolderLock(tmp_path, "change --name")
    again.release()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".guide_lock").symlink_to("mine")
    with caplog.at_level(logging.WARNING):
        FolderLock(tmp_path, "change --name").release()
    assert "cannot be locked" in caplog.text and (tmp_path / "mine").read_text() == "mine"


def test_without_locks_a_training_goes_on_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", unsupported)
    FolderLock(tmp_path, "change --name").release()
    assert caplog.text.count("cannot be locked ([Errno 37] No locks available)") == 1
    monkeypatch.setattr("guidegan_plugin.utils.locks.fcntl", None)
    FolderLock(tmp_path, "change --name").release()
    assert caplog.text.count("cannot be locked") == 1


def _take(folder: Path, turns: int, found: multiprocessing.Queue[int]) -> None:
    inside = folder / "inside"
    taken = 0
    for _ in range(turns):
        try:
            lock = FolderLock(folder, "")
        except HostError:
            continue
        inside.mkdir()  # fails where another process is inside
        inside.rmdir()
        taken += 1
        lock.release()
    found.put(taken)


def test_of_many_processes_one_is_inside_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_take, args=(tmp_path, 300, found)) for _ in range(4)]
    for process in processes:
        process.start()
    counts = [found.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes) and any(counts)
