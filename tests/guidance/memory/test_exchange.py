from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.exchange import exchange
from guidegan_plugin.guidance.memory.store import AttentionStore

CPU = torch.device("cpu")

# Two epochs on two ranks: each writes images of its own, both write "shared", rank 1 later and so newer.
SCRIPT = """
import os
import sys
import time
import torch
import torch.distributed as dist
from guidegan_plugin import View
from guidegan_plugin.guidance.memory.exchange import exchange
from guidegan_plugin.guidance.memory.store import AttentionStore

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
store = AttentionStore()
for epoch in range(2):
    store.write([f"own {rank}"], torch.full((1, 1, 2 + rank, 3), 0.2 * rank), View.identity())
    if rank == 1:
        store.write([f"own {rank} again"], torch.zeros(1, 1, 2, 2))
    store.write(["shared"], torch.full((1, 1, 2, 2), float(rank)))
    exchange(store, torch.device("cpu"))
exchange(store, torch.device("cpu"))  # nothing new
known = {key: store.recall([key]) for key in store}
torch.save({key: (one.maps, one.visits[0], one.views is not None) for key, one in known.items()},
           f"{sys.argv[3]}/{rank}.pt")
# What is tested is done on both ranks: gloo's threads now and then abort a process that ends while they run.
open(f"{sys.argv[3]}/{rank}.done", "w").close()
for _ in range(3000):
    if os.path.exists(f"{sys.argv[3]}/{1 - rank}.done"):
        os._exit(0)
    time.sleep(0.01)
os._exit(1)
"""


@pytest.mark.slow
def test_after_an_exchange_every_rank_remembers_the_same(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(rank), str(tmp_path / "meeting"), str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    assert [process.wait(60) for process in ranks] == [0, 0]
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert {key: visits for key, (_, visits, _) in one.items()} == {
        "own 0": 2,
        "own 1": 2,
        "own 1 again": 2,
        "shared": 4,
    }
    assert set(one) == set(other)
    for key in one:
        assert torch.equal(one[key][0], other[key][0]) and one[key][1:] == other[key][1:]
    assert (one["shared"][0] == 1).all(), "the newest map wins"
    assert one["own 1"][2] and not one["shared"][2], "views travel with their maps"


def test_alone_nothing_happens() -> None:
    store = AttentionStore()
    store.write(["a"], torch.rand(1, 1, 2, 2))
    exchange(store, CPU)
    assert store.recall(["a"]).visits == (1,) and store.changes()["visits"].tolist() == [1]


def test_changes_are_told_once_and_visits_before_them_are_kept() -> None:
    store = AttentionStore(dtype="float32")
    for value in (0.25, 0.5):
        store.write(["a", "b"], torch.full((2, 1, 2, 2), value), View.identity(2))
        store.merge([store.changes()], CPU)
        assert store.changes()["visits"].numel() == 0
    store.write(["b"], torch.ones(1, 1, 2, 2))
    assert store.changes()["visits"].tolist() == [1]
    store.merge([store.changes(), store.changes()], CPU)
    assert store.recall(["a", "b"]).visits == (2, 4)
