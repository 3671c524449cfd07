"""``store="mmap"``: what is remembered lies in a file, and is what main memory would remember."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from maps_on_disk import CPU, ENTRY, load, maps_file, same, save, visit

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.evaluation.map_sources import maps_in_store
from guidegan_plugin.guidance.memory import disk_cache, disk_state, map_database, map_file
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.disk_store import DiskStore
from guidegan_plugin.guidance.memory.map_file import MapFile
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.memory.statistics import statistics
from guidegan_plugin.guidance.memory.storage import Slab
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, load_visits, save_stores


def test_what_is_remembered_is_what_main_memory_would_remember_before_and_after_saves(tmp_path: Path) -> None:
    disk, memory = DiskStore(), AttentionStore()
    for step in range(60):
        visit([disk, memory], [f"{(step * 7 + place) % 50:02}.png" for place in range(4)], step, 5 if step % 9 else 3)
        if step % 11 == 10:
            save(disk, tmp_path)
            assert disk.counts == memory.counts and disk.nbytes == memory.nbytes
    same(disk, memory)
    found, wanted = statistics(disk), statistics(memory)
    assert found == pytest.approx(wanted) and torch.allclose(mean_map(disk.sample()), mean_map(memory.state()))  # type: ignore[arg-type]


def test_a_save_frees_what_it_has_written_and_main_memory_holds_what_was_visited_since(tmp_path: Path) -> None:
    store = DiskStore()
    for step in range(30):
        visit([store], [f"{step}.png"], step)
    assert len(store._columns) == 30
    save(store, tmp_path)
    assert len(store._columns) == 0 and len(store) == 30
    visit([store], ["3.png", "new.png"], 77)
    assert len(store._columns) == 2 and len(store) == 31


def test_images_that_are_only_read_do_not_gather_in_main_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "_READ", 20)
    store, memory = DiskStore(), AttentionStore()
    visit([store, memory], [f"{number}" for number in range(200)], 1)
    save(store, tmp_path)
    visit([store, memory], ["7", "8", "new"], 2)
    for number in range(200):
        keys = [f"{number}", f"{max(number - 1, 0)}"]
        assert torch.equal(store.recall(keys).maps, memory.recall(keys).maps)
        assert len(store._columns) <= 30
    same(store, memory)
    assert (store.counts.visits, len(store)) == (memory.counts.visits, 201)


def test_a_training_that_goes_on_remembers_what_was_saved_and_counts_ages_anew(tmp_path: Path) -> None:
    disk, memory = DiskStore(), AttentionStore()
    for step in range(20):
        visit([disk, memory], [f"{step % 6}.png", f"{step % 11}.jpg"], step)
    save(disk, tmp_path)
    state = memory.state()
    memory = AttentionStore()
    memory.load_state(state, CPU)
    disk = load(tmp_path)
    for step in range(20, 40):
        visit([disk, memory], [f"{step % 5}.png", f"{step % 13}.jpg"], step)
    save(disk, tmp_path)
    visit([disk, memory], ["1.png", "2.png"], 99)
    assert disk.counts == memory.counts
    same(load(tmp_path), load_whole(tmp_path))


def load_whole(folder: Path) -> AttentionStore:
    store = AttentionStore()
    store.load_state(load_stores(folder / ENTRY)[0]["A"], CPU)
    return store


def test_a_memory_moves_from_main_memory_to_the_disk_and_back(tmp_path: Path) -> None:
    memory, disk = AttentionStore(), DiskStore()
    visit([memory], ["a", "b", "ü/\udc80.png"], 1)
    save_stores(tmp_path / ENTRY, {"A": memory.state()}, {})
    disk.load_state(load_stores(tmp_path / ENTRY)[0]["A"], CPU)
    save(disk, tmp_path)
    same(load_whole(tmp_path), memory)
    same(disk, memory)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_maps_keep_their_type_and_another_type_is_converted_as_from_a_store_file(tmp_path: Path, dtype: str) -> None:
    disk, memory = DiskStore(dtype=dtype), AttentionStore(dtype=dtype)
    visit([disk, memory], ["a", "b"], 1)
    save(disk, tmp_path)
    same(disk, memory)
    eight_bits = load(tmp_path)
    memory2 = AttentionStore()
    memory2.load_state(memory.state(), CPU)
    same(eight_bits, memory2)
    visit([eight_bits], ["b", "c"], 2)
    save(eight_bits, tmp_path)  # of one size, maps of two types
    assert load_whole(tmp_path).recall(["a"]).maps.shape == (1, 1, 5, 5)


def test_bytes_are_those_of_the_maps_in_the_file_whatever_their_type(tmp_path: Path) -> None:
    keys = [f"{number}" for number in range(20)]
    visit([store := DiskStore()], keys, 1)
    save(store, tmp_path)
    wide = DiskStore(dtype="float32")
    wide.load_state(load_stores(tmp_path / ENTRY)[0]["A"], CPU)
    wide.recall(keys)
    assert wide.nbytes == 20 * 25
    visit([wide], keys[:5], 2)
    assert wide.nbytes == 15 * 25 + 5 * 100
    for _ in range(2):
        save(wide, tmp_path)
        assert wide.nbytes == load(tmp_path).nbytes == 15 * 25 + 5 * 100
        wide.recall(keys)
    visit([wide], keys, 3)
    save(wide, tmp_path)
    assert wide.nbytes == load(tmp_path).nbytes == 20 * 100


def test_maps_grow_once_and_not_anew_after_every_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown, grow = [], Slab._grow

    def counting(self: Slab, rows: int) -> None:
        grown.append(rows > len(self._maps))
        grow(self, rows)

    monkeypatch.setattr(Slab, "_grow", counting)
    store, times = DiskStore(), []
    for epoch in range(3):
        grown.clear()
        for number in range(500):
            visit([store], [f"{number}"], epoch)
        times.append(sum(grown))
        save(store, tmp_path)
    assert times[0] > 0 and times[1:] == [0, 0]


def test_a_store_file_names_the_file_of_maps_and_holds_their_mean_alone(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], [f"{number}.png" for number in range(200)], 1)
    mean = mean_map(store.state())
    save(store, tmp_path)
    states, facts = load_stores(tmp_path / ENTRY)
    assert facts["A.file"] == maps_file(tmp_path).name and facts["A.save"] == "1"
    assert (tmp_path / ENTRY).stat().st_size < 2000
    assert mean is not None and torch.equal(states["A"]["mean"], mean)
    assert load_visits(tmp_path / ENTRY)["A"] == {f"{number}.png": 1 for number in range(200)}


def test_a_second_save_without_a_visit_writes_no_row(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], ["a"], 1)
    assert save(store, tmp_path).save == 1
    visit([store], ["a"], 2)
    assert save(store, tmp_path).save == save(store, tmp_path, "5_guide.safetensors").save == 2
    same(load(tmp_path), load(tmp_path, "5_guide.safetensors"))


def test_a_save_writes_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskStore()
    visit([store], [f"{number}" for number in range(50)], 1)
    save(store, tmp_path)
    visit([store], ["7", "new"], 2)
    store.recall(["8", "9"])  # read only
    written: list[bytes] = []
    write = MapFile.write

    def noting(self: MapFile, rows: object, *args: object) -> None:
        packed = list(rows)  # type: ignore[call-overload]
        written.extend(key for key, _, _ in packed)
        write(self, packed, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MapFile, "write", noting)
    save(store, tmp_path)
    assert written == [b"7", b"new"]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    sys.path.insert(0, sys.argv[2])
    from maps_on_disk import DiskStore, save, visit
    from guidegan_plugin.guidance.memory.map_file import MapFile
    folder, store = Path(sys.argv[1]), DiskStore()
    for step in range(int(sys.argv[3])):
        visit([store], [f"{(step * 3 + place) % 40}" for place in range(8)], step)
    save(store, folder)
    write, moment = MapFile.write, int(sys.argv[4])
    def torn(rows):
        for number, row in enumerate(rows):
            if number == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            yield row
    MapFile.write = lambda self, rows, *args: write(self, torn(rows), *args)
    visit([store], [str(number) for number in range(0, 60, 2)], 500)
    store.save(folder, "A", folder / "latest_guide.safetensors", "path=")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", [0, 17, 1000], ids=["at the first row", "within the rows", "after the save"])
def test_a_kill_loses_nothing_that_was_saved(tmp_path: Path, moment: int, caplog: pytest.LogCaptureFixture) -> None:
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(KILLED),
        tmp_path,
        Path(__file__).parents[2] / "contracts",
        30,
        moment,
    ]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    expected = AttentionStore()
    for step in range(30):
        visit([expected], [f"{(step * 3 + place) % 40}" for place in range(8)], step)
    if moment == 1000:  # the maps are newer than the store's file, as between them and the renaming of the networks
        visit([expected], [str(number) for number in range(0, 60, 2)], 500)
    with caplog.at_level(logging.WARNING):
        same(load(tmp_path), expected)
    assert ("has gone on to save 2" in caplog.text) == (moment == 1000)
    same(load_whole(tmp_path), expected)


def test_an_older_store_file_goes_on_with_the_newer_maps_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DiskStore()
    for epoch in range(3):
        visit([store], ["a", "b"], epoch)
        save(store, tmp_path, f"{epoch}_guide.safetensors")
    with caplog.at_level(logging.WARNING):
        same(load(tmp_path, "0_guide.safetensors"), store)
    assert "0_guide.safetensors was written with save 1" in caplog.text and "save 3" in caplog.text


def test_a_file_of_maps_older_than_its_store_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], ["a"], 1)
    save(store, tmp_path)
    older = load(tmp_path)._file.path.read_bytes()  # type: ignore[union-attr]
    visit([store], ["a"], 2)
    save(store, tmp_path)
    path = maps_file(tmp_path)
    del store
    path.write_bytes(older)
    with pytest.raises(StoreError, match=r"ends with save 1, and .* save 2; copy both .* or delete latest_guide"):
        load(tmp_path)


def test_a_folder_that_was_copied_or_moved_is_read_and_one_without_its_maps_is_refused(tmp_path: Path) -> None:
    store, here, there = DiskStore(), tmp_path / "here", tmp_path / "there #1?"
    here.mkdir()
    visit([store], ["a", "b"], 1)
    save(store, here)
    here.rename(there)
    same(load(there), store)
    maps_file(there).unlink()
    with pytest.raises(StoreError, match=r"keeps its maps in guide_maps_A_\w+\.sqlite, which is not beside it; copy"):
        load(there)


def test_saving_into_another_folder_leaves_the_first_one_and_makes_a_whole_second_one(tmp_path: Path) -> None:
    store, first, second = DiskStore(), tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    visit([store], ["a", "b"], 1)
    save(store, first)
    visit([store], ["b", "c"], 2)
    save(store, second)
    assert sorted(load(first)) == ["a", "b"] and sorted(load(second)) == ["a", "b", "c"]
    assert maps_file(first).name != maps_file(second).name
    assert not list(second.glob(".guide*"))


def test_a_new_training_in_the_same_folder_leaves_the_maps_of_the_old_one_alone(tmp_path: Path) -> None:
    old, new = DiskStore(), DiskStore()
    visit([old], ["a"], 1)
    save(old, tmp_path, "5_guide.safetensors")
    visit([new], ["b"], 1)
    save(new, tmp_path)
    assert list(load(tmp_path, "5_guide.safetensors")) == ["a"] and list(load(tmp_path)) == ["b"]


def test_maps_in_a_folder_that_may_not_be_written_to_are_read_and_a_save_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, elsewhere = DiskStore(), tmp_path / "elsewhere"
    visit([store], ["a"], 1)
    save(store, tmp_path)
    del store
    connect = map_database.connect

    def closed(path: Path, mode: str) -> sqlite3.Connection:  # as on a drive that is mounted read-only
        if mode in ("ro", "rw") and path.parent == tmp_path:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, mode)

    monkeypatch.setattr(map_database, "connect", closed)
    store = load(tmp_path)
    visit([store], ["a", "b"], 2)
    with pytest.raises(StoreError, match="readonly database; change its permissions or change path="):
        save(store, tmp_path)
    elsewhere.mkdir()
    save(store, elsewhere)
    same(load(elsewhere), store)


def test_maps_on_the_disk_are_laid_over_label_images(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], ["trainA/a.png", "trainA/b.png"], 1)
    save(store, tmp_path)
    assert sorted(seen.stem for seen in maps_in_store(tmp_path / ENTRY)) == ["a", "b"]


def test_a_full_disk_is_one_line_and_the_next_save_makes_up_for_it(tmp_path: Path) -> None:
    store, memory = DiskStore(), AttentionStore()
    visit([store, memory], ["a"], 1)
    save(store, tmp_path)
    assert store._file is not None
    store._file._db.execute("PRAGMA max_page_count = 8")
    for number in range(40):
        visit([store, memory], [f"{number}.png"], number, side=40)
    with pytest.raises(StoreError, match=r"could not be written: database or disk is full; free space or change path="):
        save(store, tmp_path)
    assert list(load(tmp_path)) == ["a"]
    store._file._db.execute("PRAGMA max_page_count = 100000")
    save(store, tmp_path)
    same(load(tmp_path), memory)


def test_a_first_save_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskStore()
    visit([store], ["a"], 1)

    def full(*args: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(MapFile, "write", full)
    with pytest.raises(StoreError, match="full"):
        save(store, tmp_path)
    assert not list(tmp_path.iterdir()) and len(store) == 1


def test_a_second_training_that_has_saved_into_the_file_is_refused(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], ["a"], 1)
    save(store, tmp_path)
    other = load(tmp_path)
    for one, key in ((other, "b"), (store, "c")):
        visit([one], [key], 1)
    save(other, tmp_path)
    with pytest.raises(StoreError, match="another training has saved into it"):
        save(store, tmp_path)


def test_a_reader_does_not_keep_a_training_from_saving(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], [f"{number}" for number in range(1000)], 1)
    save(store, tmp_path)
    reading = load_stores(tmp_path / ENTRY)[0]["A"].images()  # type: ignore[attr-defined]
    next(reading)
    visit([store], ["5"], 2)
    assert save(store, tmp_path).save == 2


def test_a_command_that_reads_while_a_training_saves_reads_one_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit([store := DiskStore()], ["a", "b"], 1)
    save(store, tmp_path)
    state, renew = load_stores(tmp_path / ENTRY)[0]["A"], MapFile.renew
    assert isinstance(state, DiskState)

    def slowly(self: MapFile) -> None:
        renew(self)
        if self.path.parent == tmp_path:
            monkeypatch.setattr(MapFile, "renew", renew)
            visit([store], [f"{store.version}"], 2)
            save(store, tmp_path)

    for read in (lambda: len(state["visits"]), lambda: len(state.whole()["visits"]), lambda: len([*state.images()])):
        count = len(store)
        monkeypatch.setattr(MapFile, "renew", slowly)
        assert read() == count == len(store) - 1


def test_every_damaged_file_is_refused_by_name_or_read_as_it_was(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], [f"{number:03}.png" for number in range(60)], 1, side=31)
    save(store, tmp_path)
    whole = load_whole(tmp_path)
    del store
    path = maps_file(tmp_path)
    content, refused = path.read_bytes(), 0
    cut = [content[:length] for length in range(0, len(content), 1501)]
    flipped = []
    for position in range(3, len(content), 731):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        flipped.append(bytes(changed))
    for damaged in (*cut, *flipped):
        path.write_bytes(damaged)
        try:
            found = load_whole(tmp_path)
        except StoreError as error:
            assert path.name in str(error) and "\n" not in str(error)
            refused += 1
        else:
            same(found, whole)
    assert refused > len(cut) + len(flipped) // 2


def test_a_file_of_maps_with_a_sum_that_nobody_reads_is_read_as_it_was(tmp_path: Path) -> None:
    visit([store := DiskStore()], ["a", "b"], 1)
    save(store, tmp_path)
    memory = load_whole(tmp_path)
    assert store._file is not None
    store._file._db.execute("INSERT INTO facts VALUES ('stamps', 7)")  # as the first files had
    same(load(tmp_path), memory)
    visit([store, memory], ["b", "c"], 2)
    save(store, tmp_path)
    same(load(tmp_path), memory)


def test_a_foreign_database_is_refused_by_name(tmp_path: Path) -> None:
    store = DiskStore()
    visit([store], ["a"], 1)
    save(store, tmp_path)
    assert store._file is not None
    path = store._file.path
    store._file._db.execute("CREATE VIEW more AS SELECT * FROM facts")
    with pytest.raises(StoreError, match=rf"{path.name} is no file of maps; put a whole copy"):
        MapFile(path)


def test_the_file_of_another_memory_under_this_name_is_refused(tmp_path: Path) -> None:
    store, other, there = DiskStore(), DiskStore(), tmp_path / "there"
    there.mkdir()
    for one, folder in ((store, tmp_path), (other, there)):
        visit([one], ["a"], 1)
        save(one, folder)
    del store, other
    maps_file(there).replace(maps_file(tmp_path))
    with pytest.raises(StoreError, match="was renamed, or is of another memory"):
        load(tmp_path)


def test_commands_read_evenly_chosen_maps_of_a_large_memory_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk_state, "_MOST", 10 * 25)
    store = DiskStore()
    visit([store], [f"{number:03}" for number in range(100)], 1)
    save(store, tmp_path)
    state = load_stores(tmp_path / ENTRY)[0]["A"]
    with caplog.at_level(logging.WARNING):
        assert len(state["visits"]) == 10
    assert "of 100 images in" in caplog.text and "10 are read, evenly chosen" in caplog.text
    assert len(load_whole(tmp_path)) == 100, "a training takes all"


def test_a_training_on_several_machines_is_refused_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "16")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    with pytest.raises(ConfigError, match=r"16 processes of which 8 are on this machine; change store \(--guide_store"):
        DiskStore()


def test_a_network_drive_is_named_where_maps_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(map_file, "network_drive", lambda folder: "nfs4")
    visit([store := DiskStore()], ["a"], 0)
    with caplog.at_level(logging.WARNING):
        save(store, tmp_path)
    assert caplog.text.count("(nfs4)") == 1 and "(--guide_store memory)" in caplog.text


@pytest.mark.slow
def test_a_memory_in_main_memory_needs_no_sqlite() -> None:
    code = "import sys; from torch import nn; from guidegan_plugin import GuideConfig, attach; "
    code += "attach(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 1, 3), GuideConfig(layer=1)); assert 'sqlite3' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
