"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.csv_file import write_csv
from guidegan_plugin.utils.files import (
    explain,
    os_errors_as,
    put_in_place,
    staging,
    sweep,
    whole_folder,
    write_again,
    write_output,
    write_whole,
)


def test_a_table_has_a_header_and_none_is_left_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "new" / "a.csv", ("class", "share"), [("traffic, light", 0.5), ("car", None)])
    assert (tmp_path / "new" / "a.csv").read_bytes() == b'class,share\n"traffic, light",0.5\ncar,\n'


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot write .*a\.csv"):
        write_csv(tmp_path / "file" / "a.csv", (), [])


def test_a_file_that_cannot_be_finished_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match=r"^cannot write .*a \(No space left on device\); change --json$"):
        write_output(tmp_path / "a", b"new", "change --json")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_file_that_is_written_again_is_another_file_and_nothing_else_stays(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"content")
    for name in ("b", "a", "b"):
        write_again(tmp_path / "a", tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys("ab", b"content")
    (tmp_path / "b").write_bytes(b"changed by hand")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_pieces_are_written_one_after_another_however_large_they_are(tmp_path: Path) -> None:
    large = bytes(range(256)) * 10_000
    write_whole(tmp_path / "a", iter([b"first", memoryview(large), b"", b"last"]))
    assert (tmp_path / "a").read_bytes() == b"first" + large + b"last"


def test_an_error_of_writing_is_one_line_that_names_the_place_unless_it_is_a_temporary_one(tmp_path: Path) -> None:
    for name, where in (("a.png", f" at {tmp_path / 'a.png'}"), (".a.png.1.tmp", "")):
        with pytest.raises(DataError) as caught, os_errors_as(DataError, "set cannot be written", "change --out"):
            (tmp_path / name).read_bytes()
        assert str(caught.value) == f"set cannot be written (No such file or directory{where}); change --out"


@pytest.mark.parametrize(
    ("number", "helps"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOENT, "make its folder again"),
        (errno.EROFS, "permissions"),
    ],
)
def test_what_helps_fits_what_the_system_refused(number: int, helps: str) -> None:
    with (
        pytest.raises(DataError, match=rf"\({os.strerror(number)}\); .*{helps}"),
        os_errors_as(DataError, "not written"),
    ):
        raise OSError(number, os.strerror(number))


def test_a_file_that_may_grow_no_further_is_no_full_disk_whatever_torch_says(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    size = 3 << 19  # more than a trial of a megabyte
    (tmp_path / "latest_net_G.pth").write_bytes(bytes(size))  # so far torch came
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        found = explain(RuntimeError("[enforce fail at inline_container.cc] file write failed"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found == (os.strerror(errno.EFBIG), "let files be larger (ulimit -f)")
    assert [path.name for path in tmp_path.iterdir()] == ["latest_net_G.pth"]


def test_a_folder_appears_when_it_is_finished_and_open_to_others(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with whole_folder(tmp_path / "new" / "set") as fresh:
        (fresh / "a").touch()
        assert not (tmp_path / "new" / "set").exists()
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["set", "a"]
    assert (tmp_path / "new" / "set").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_not_finished_leaves_the_older_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").touch()
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "set", replace=True) as fresh:
        (fresh / "new").touch()
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "old"]


def test_an_older_folder_is_replaced_only_where_asked(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").touch()
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "set") as fresh:
        (fresh / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "old"]
    with whole_folder(tmp_path / "set", replace=True) as fresh:
        (fresh / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "new"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_an_older_folder_comes_back_when_the_new_one_is_not_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").touch()
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(type(error)), whole_folder(tmp_path / "set", replace=True):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "old"]


def test_an_older_folder_that_cannot_come_back_either_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").touch()
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if target.name == "set":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="Input/output"), whole_folder(tmp_path / "set", replace=True):
        pass
    assert [path.name for path in tmp_path.rglob("old")] == ["old"]


def test_a_file_is_put_in_place_out_of_a_staging_folder(tmp_path: Path) -> None:
    with staging(tmp_path / "deep" / "a.pth") as fresh:
        (fresh / "a").write_bytes(b"a")
        put_in_place(fresh / "a", tmp_path / "deep" / "a.pth")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.pth"]


def leave(folder: Path, name: str, age: float) -> Path:
    """What a process that was killed has left, so many seconds ago."""
    path = folder / name
    path.touch()
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_a_file_is_written_under_a_name_that_cannot_be_foreseen_and_never_over_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        seen.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    for _ in range(2):
        write_whole(tmp_path / "a", b"a")
    assert len({*seen}) == 2 and all(re.fullmatch(r"\.guide-[0-9a-f]{16}\.tmp", name) for name in seen)
    (tmp_path / ".guide-00.tmp").symlink_to(tmp_path / "victim")
    monkeypatch.setattr("secrets.token_hex", lambda _: "00")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"b")
    assert (tmp_path / "a").read_bytes() == b"a" and not (tmp_path / "victim").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_leaves_its_permissions_to_the_new_one(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(mode)
    write_whole(tmp_path / "a", b"a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode
    (tmp_path / "plain").touch()
    write_whole(tmp_path / "new", b"a")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_long_name_will_do(tmp_path: Path) -> None:
    write_whole(tmp_path / ("a" * 245), b"a")
    with whole_folder(tmp_path / ("b" * 245)) as fresh:
        (fresh / "a").touch()
    with whole_folder(tmp_path / ("b" * 245), replace=True):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a" * 245, "b" * 245]


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"target")
    for name, target in (("link", "target"), ("broken", "nothing")):
        (tmp_path / name).symlink_to(tmp_path / target)
        write_whole(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink() and (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "target").read_bytes() == b"target" and not (tmp_path / "nothing").exists()


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder"):
        with pytest.raises(ConfigError, match=rf"cannot write .*{name} \((Not a plain file|Is a directory)"):
            write_output(tmp_path / name, b"a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", b"a")
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from guidegan_plugin.utils import files
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
with files.staging(Path(sys.argv[1]) / "set"):
    files.write_whole(Path(sys.argv[1]) / "a", b"torn")
"""


def test_what_a_killed_process_left_is_swept_at_the_next_save(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 2 and all(path.name.startswith(".guide-") for path in left)
    write_output(tmp_path / "a", b"a")
    assert len(list(tmp_path.iterdir())) == 3, "it may be about to be held"
    for path in left:
        os.utime(path, (time.time() - 100,) * 2)
    write_output(tmp_path / "a", b"a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_another_process_writes_is_not_swept_nor_what_is_not_ours(tmp_path: Path) -> None:
    held = leave(tmp_path, f".guide-{'0' * 16}.tmp", 100)
    foreign = [leave(tmp_path, name, 1e6) for name in (".guide-note.tmp", ".a.1.tmp", "a.tmp")]
    linked = tmp_path / f".guide-{'1' * 16}.tmp"
    linked.symlink_to(foreign[0])
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        look_on(tmp_path, [held, *foreign, linked])
    sweep(tmp_path)
    assert not held.exists() and linked.is_symlink() and all(path.exists() for path in foreign)


def look_on(folder: Path, left: list[Path]) -> None:
    """Sweep while a folder is written, long after that began; all of what is there stays."""
    with whole_folder(folder / "set"):
        hidden = next(path for path in folder.glob(".guide-*.tmp") if (path / "new").is_dir())
        os.utime(hidden, (time.time() - 100,) * 2)
        sweep(folder)
        assert hidden.exists() and all(map(os.path.lexists, left))


def test_without_locks_only_what_is_older_than_a_day_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guidegan_plugin.utils.files.try_lock", lambda number: None)
    leave(tmp_path, f".guide-{'0' * 16}.tmp", 3600)
    leave(tmp_path, f".guide-{'1' * 16}.tmp", 25 * 3600)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".guide-{'0' * 16}.tmp"]
