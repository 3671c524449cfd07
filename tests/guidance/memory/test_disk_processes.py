"""Several processes that share one file of maps: here threads, each of which takes itself for a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from maps_on_disk import CPU, load, maps_file, save, visit

from guidegan_plugin.guidance.memory import disk_cache, disk_store
from guidegan_plugin.guidance.memory.disk_store import DiskStore

Exchange = Callable[[Sequence[DiskStore]], None]


class Ranks(threading.local):
    """What the running thread is among the processes."""

    rank = 0


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Ranks:
    """Several processes; to begin with all is done by the first."""
    own = Ranks()
    monkeypatch.setattr(disk_store, "is_first_rank", lambda: own.rank == 0)
    monkeypatch.setattr(disk_cache, "is_one_of_several", lambda: True)
    return own


@pytest.fixture
def exchange(ranks: Ranks) -> Exchange:
    """Bring memories together, as ``exchange`` does: one a process, the first one's first."""

    def together(stores: Sequence[DiskStore]) -> None:
        meeting, changes = threading.Barrier(len(stores)), {}

        def one(rank: int) -> None:
            ranks.rank = rank
            changes[rank] = stores[rank].changes()
            meeting.wait(60)
            told = [changes[rank] for rank in range(len(stores))]
            stores[rank].merge(told, CPU, rank)
            stores[rank].catch_up(told, lambda: meeting.wait(60) and None)

        with ThreadPoolExecutor(len(stores)) as pool:
            list(pool.map(one, range(len(stores))))

    return together


def log_of(folder: Path) -> int:
    """Bytes of the log beside the file of maps."""
    log = maps_file(folder).with_name(maps_file(folder).name + "-wal")
    return log.stat().st_size if log.exists() else 0


def test_the_log_holds_one_save_at_most_however_often_processes_exchange_and_none_is_left(
    tmp_path: Path, exchange: Exchange
) -> None:
    stores = [DiskStore(), DiskStore()]
    logs = []
    for epoch in range(5):
        for rank, store in enumerate(stores):
            visit([store], [f"{number}" for number in range(rank, 600, 2)], epoch, side=31)
        exchange(stores)
        save(stores[0], tmp_path)
        logs.append(log_of(tmp_path))
    assert max(logs[1:]) <= logs[1] * 1.2 + 50_000, logs
    stores.pop(0)  # the first process ends first
    assert log_of(tmp_path) > 0
    del store
    stores.clear()
    assert log_of(tmp_path) == 0 and len(load(tmp_path)) == 600


def test_what_other_processes_have_not_heard_of_is_not_copied_at_every_step_after_a_save(
    tmp_path: Path, ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "_READ", 20)
    store, freed = DiskStore(), []
    visit([store], [f"{number}" for number in range(200)], 1)
    save(store, tmp_path)
    keep = DiskStore._free_all_but
    monkeypatch.setattr(DiskStore, "_free_all_but", lambda self, rows: (freed.append(len(rows)), keep(self, rows)))
    for step in range(20):
        visit([store], [f"{step}"], step)
    assert not freed and len(store._columns) == 200


def test_a_process_that_loaded_before_it_knew_of_the_others_counts_each_visit_once(
    tmp_path: Path, ranks: Ranks, exchange: Exchange
) -> None:
    visit([store := DiskStore()], ["a"], 0)
    save(store, tmp_path)
    del store
    stores = [load(tmp_path), load(tmp_path)]  # both take themselves for the first
    for rank, store in enumerate(stores):
        visit([store], ["bc"[rank]], 1)
    exchange(stores)
    save(stores[0], tmp_path)
    visit(stores[:1], ["a"], 2)
    save(stores[0], tmp_path)  # in the middle of an epoch: with a visit that the second process has not heard of
    ranks.rank = 1
    visit(stores[1:], ["a"], 3)
    ranks.rank = 0
    exchange(stores)
    assert [store.recall(["a"]).visits for store in stores] == [(3,), (3,)]
