"""Files and folders appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.files import (
    os_errors_as,
    put_in_place,
    staging,
    whole_folder,
    write_csv,
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


def test_an_error_of_writing_is_one_line_that_names_the_place_unless_it_is_a_temporary_one(tmp_path: Path) -> None:
    for name, where in (("a.png", f" at {tmp_path / 'a.png'}"), (".a.png.1.tmp", "")):
        with pytest.raises(DataError) as caught, os_errors_as(DataError, "set cannot be written", "change --out"):
            (tmp_path / name).read_bytes()
        assert str(caught.value) == f"set cannot be written (No such file or directory{where}); change --out"


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
