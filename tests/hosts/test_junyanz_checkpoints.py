from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.checkpoints import complete_set, finish, other_checkpoint, roll_forward

NAMES = ("latest_guide.safetensors", "latest_net_D.pth", "latest_net_G.pth")


def save(folder: Path, content: str) -> None:
    with complete_set(folder) as writing:
        for name in NAMES:
            (writing / name).write_text(content)


def content(folder: Path) -> set[str]:
    finish(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES), "nothing else stays"
    return {(folder / name).read_text() for name in NAMES}


def test_a_set_appears_as_a_whole(tmp_path: Path) -> None:
    save(tmp_path, "first")
    save(tmp_path, "second")
    assert content(tmp_path) == {"second"}


def test_reading_leaves_a_set_that_is_being_written_to_its_writer(tmp_path: Path) -> None:
    save(tmp_path, "first")
    with complete_set(tmp_path) as writing:
        for name in NAMES:
            (writing / name).write_text("second")
            roll_forward(tmp_path)
            assert {(tmp_path / name).read_text() for name in NAMES} == {"first"}
    assert content(tmp_path) == {"second"}


@pytest.mark.parametrize("method", ["mkdir", "rename", "replace"])
@pytest.mark.parametrize("at", range(4))
def test_a_failing_disk_leaves_one_good_set_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, at: int
) -> None:
    save(tmp_path, "first")
    calls, original = 0, getattr(Path, method)

    def fail(self: Path, *args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls > at:
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, fail)
        try:
            save(tmp_path, "second")
        except StoreError as error:
            assert "No space left" in str(error) and "--checkpoints_dir" in str(error)
    assert len(content(tmp_path)) == 1
    save(tmp_path, "third")
    assert content(tmp_path) == {"third"}, "the next save succeeds"


@pytest.mark.parametrize("reads", [roll_forward, finish], ids=["a test", "a training"])
def test_a_complete_set_that_cannot_be_moved_is_named_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Callable[[Path], None]
) -> None:
    save(tmp_path, "first")
    (complete := tmp_path / ".guide_complete").mkdir()
    for name in NAMES:
        (complete / name).write_text("second")

    def refused(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refused)
        with pytest.raises(StoreError, match=r"moved into place \(Permission denied\); change its perm"):
            reads(tmp_path)
    assert content(tmp_path) == {"second"}


def test_an_error_of_torchs_writer_is_a_disk_error_too(tmp_path: Path) -> None:
    save(tmp_path, "first")
    with pytest.raises(StoreError, match=r"enforce fail .* unexpected pos"), complete_set(tmp_path) as writing:
        (writing / "torn").write_text("")
        raise RuntimeError("[enforce fail at inline_container.cc:471] . \n unexpected pos 64 vs 0")
    assert content(tmp_path) == {"first"}


def test_where_a_checkpoint_is_no_good_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G_A.pth"
    assert other_checkpoint(path) == other_checkpoint(tmp_path / "gone" / path.name) == "change --name or --epoch"
    for epoch in ("latest", "5", "10", "iter_200"):
        (tmp_path / f"{epoch}_net_G_A.pth").touch()
    (tmp_path / "15_net_G_B.pth").touch()
    assert other_checkpoint(path) == "change --name or --epoch (there are 5, 10, iter_200)"
    (tmp_path / "7_guide.safetensors").touch()
    (tmp_path / "8_guide_state.pth").touch()
    assert other_checkpoint(tmp_path / "latest_guide.safetensors").endswith("(there are 7)")
    assert other_checkpoint(tmp_path / "latest_guide_state.pth").endswith("(there are 8)")
    assert other_checkpoint(Path()) == "change --name or --epoch"


def test_a_process_killed_at_any_moment_leaves_one_good_set(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from guidegan_plugin.hosts.junyanz.checkpoints import complete_set
calls = 0
def dying(original):
    def act(*args, **kwargs):
        global calls
        calls += 1
        if calls > int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return act
for name in ("mkdir", "rename", "replace", "rmdir", "write_text"):
    setattr(pathlib.Path, name, dying(getattr(pathlib.Path, name)))
with complete_set(pathlib.Path(sys.argv[1])) as writing:
    for name in {NAMES!r}:
        (writing / name).write_text("second")
"""
    outcomes = []
    for moment in range(11):
        folder = tmp_path / str(moment)
        folder.mkdir()
        save(folder, "first")
        ended = subprocess.run([sys.executable, "-c", script, str(folder), str(moment)], env=_light_environment())
        outcomes.append((ended.returncode == -signal.SIGKILL, content(folder)))
        shutil.rmtree(folder)
    assert all(len(found) == 1 for _, found in outcomes)
    assert {"first"} in [found for _, found in outcomes] and {"second"} in [found for _, found in outcomes]
    assert outcomes[0][0] and not outcomes[-1][0], "from the first call to past the last"


def _light_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_a_set_may_hold_a_second_name_of_a_file_that_is_in_place(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("memory")
    for name in ("latest", "3"):
        with complete_set(tmp_path) as writing:
            (writing / name).hardlink_to(tmp_path / "latest")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "latest"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"memory"}
