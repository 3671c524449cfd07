"""What happens to a file of maps while a training or a command uses it: it is deleted, moved, locked, copied."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from maps_on_disk import CPU, ENTRY, load, maps_file, same, save, visit

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.memory import map_database
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.map_file import MapFile
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, load_visits
from guidegan_plugin.utils.files import sweep

Pair = tuple[DiskStore, AttentionStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def stores(folder: Path) -> Pair:
    """A memory that was saved and then went on, and one in main memory."""
    disk, memory = DiskStore(), AttentionStore()
    visit([disk, memory], ["a", "b"], 1)
    save(disk, folder)
    visit([disk, memory], ["b", "c"], 2)
    return disk, memory


@pytest.fixture
def lock() -> Iterator[Callable[[Path], None]]:
    """Lock files, as another program may."""
    held = []

    def exclusively(path: Path) -> None:
        db = sqlite3.connect(path, isolation_level=None)
        held.append(db)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("UPDATE facts SET value = value")

    yield exclusively
    for db in held:
        db.close()


def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder can be written to, as on a drive that is mounted read-only."""
    connect = map_database.connect

    def refused(path: Path, mode: str) -> sqlite3.Connection:
        if mode in ("ro", "rw"):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, mode)

    monkeypatch.setattr(map_database, "connect", refused)


def test_a_save_after_the_file_was_deleted_writes_all_maps_anew(stores: Pair, folder: Path) -> None:
    disk, memory = stores
    for path in folder.glob("*.sqlite*"):
        path.unlink()
    save(disk, folder)
    same(load(folder), memory)


def test_a_save_after_another_file_took_the_place_writes_all_maps_anew(stores: Pair, folder: Path) -> None:
    disk, memory = stores
    copy = maps_file(folder).with_name("copy")
    copy.write_bytes(maps_file(folder).read_bytes())
    copy.replace(maps_file(folder))
    save(disk, folder)
    same(load(folder), memory)


def test_a_save_after_the_folder_was_renamed_writes_all_maps_into_the_folder_that_is_asked_for(
    stores: Pair, folder: Path
) -> None:
    disk, memory = stores
    before = folder.rename(folder.with_name("before"))
    save(disk, folder)  # which does not exist any more
    same(load(folder), memory)
    assert sorted(load(before)) == ["a", "b"]


def test_a_file_that_is_locked_is_said_to_be_in_use(
    stores: Pair, folder: Path, lock: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_database, "PATIENCE", 0.1)
    path = maps_file(folder)
    stores[0]._file = None
    lock(path)
    for opened in ({"held": True}, {"writable": True}, {}):
        with pytest.raises(StoreError) as found:
            MapFile(path, **opened)
        assert str(found.value) == f"{path} is in use (database is locked); wait until the other process is over"


def test_maps_that_another_training_may_write_to_are_never_read_as_if_nobody_did(
    stores: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(monkeypatch)
    path = maps_file(folder)
    assert MapFile(path).save == 1
    with pytest.raises(StoreError, match=r"cannot be opened \(unable to open database file\); change its permissions"):
        MapFile(path, held=True)


def test_a_log_in_a_folder_that_may_not_be_written_to_is_named_with_the_cure(
    stores: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = maps_file(folder)
    reader = MapFile(path, held=True)
    save(stores[0], folder)
    closed(monkeypatch)
    with pytest.raises(StoreError) as found:
        MapFile(path)
    log = f"has a log ({path.name}-wal) that must be taken in once; open both where their folder may be written to"
    assert str(found.value) == f"{path} {log}"
    assert reader.save == 1


def test_what_is_wrong_with_maps_is_said_once_with_one_cure(stores: Pair, folder: Path) -> None:
    path = maps_file(folder)
    stores[0]._file = None
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(StoreError) as found:
        load_visits(folder / ENTRY)
    assert str(found.value).startswith(f"{path} is torn") and str(found.value).count("to start from ones") == 1
    assert ENTRY not in str(found.value)


def test_a_log_that_cannot_be_taken_in_leaves_the_patience_with_other_processes_as_it_was(
    stores: Pair, folder: Path
) -> None:
    disk, _ = stores
    reading = iter(MapFile(maps_file(folder)).keys())
    next(reading)
    own = iter(disk._file.keys())  # type: ignore[union-attr]
    next(own)
    save(disk, folder)
    assert disk._file is not None
    assert disk._file._db.execute("PRAGMA busy_timeout").fetchone() == (map_database.PATIENCE * 1000,)


KILLED = """
    import os, signal, sqlite3, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from maps_on_disk import load, save
    store = load(Path(sys.argv[1]))
    class Dying(sqlite3.Connection):
        def execute(self, statement, *values):
            found = super().execute(statement, *values)
            if statement.startswith("UPDATE facts"):
                os.kill(os.getpid(), signal.SIGKILL)
            return found
    plain = sqlite3.connect
    sqlite3.connect = lambda *args, **options: plain(*args, factory=Dying, **options)
    save(store, Path(sys.argv[2]))
"""


def test_a_copy_that_was_killed_is_swept_with_its_log_and_a_living_one_is_left_alone(
    stores: Pair, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(stores[0], folder)
    there = tmp_path / "there"
    there.mkdir()
    words = [sys.executable, "-c", textwrap.dedent(KILLED), folder, there, Path(__file__).parents[2] / "contracts"]
    assert subprocess.run([*map(str, words)], timeout=100).returncode == -signal.SIGKILL
    (left,) = there.iterdir()
    age(left)
    sweep(there)
    assert not list(there.iterdir())
    replace = Path.replace

    def swept(self: Path, target: Path) -> Path:
        if self.suffix != ".sqlite":
            return replace(self, target)
        age(*there.glob(".guide*"))
        command = "from pathlib import Path; from guidegan_plugin.utils.files import sweep; sweep(Path({!r}))"
        subprocess.run([sys.executable, "-c", command.format(str(there))], check=True, timeout=100)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", swept)
    save(stores[0], there)
    same(load(there), stores[1])
    assert {path.suffix for path in there.iterdir()} <= {".sqlite", ".safetensors", ".sqlite-wal", ".sqlite-shm"}


def age(*paths: Path) -> None:
    """Make files and folders, and what is in them, look as old as what a killed process left."""
    for path in paths:
        for one in (path, *path.rglob("*")):
            os.utime(one, (time.time() - 100,) * 2)


def test_a_python_without_sqlite_is_told_so_at_the_start_and_where_maps_are_read(
    stores: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = load_stores(folder / ENTRY)[0]["A"]
    monkeypatch.setattr(map_database, "sqlite3", None)
    said = "needs SQLite, which this Python was built without; change --guide_store"
    with pytest.raises(ConfigError, match=said):
        DiskStore()
    with pytest.raises(ConfigError, match=said):
        AttentionStore().load_state(dict(state), CPU)
