"""What the stores of a run show."""

from __future__ import annotations

from pathlib import Path

import torch

from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.plugins.stored_run import read_stores


def test_a_pair_that_joined_later_is_shown_from_then_on(tmp_path: Path) -> None:
    first, second = AttentionStore(), AttentionStore()
    first.write(["a", "b"], torch.rand(2, 1, 3, 3))
    save_stores(tmp_path / "1_guide.safetensors", {"A": first.state()}, {"config": '{"concat": "alpha"}'})
    second.write(["c"], torch.rand(1, 1, 3, 3))
    states = {"A": first.state(), "B": second.state()}
    save_stores(tmp_path / "2_guide.safetensors", states, {"config": '{"concat": "alpha"}'})
    run = read_stores(tmp_path)
    assert [(sample.group, len(sample.epochs)) for sample in run.samples] == [
        ("memory, A", 2),
        ("memory, A", 2),
        ("memory, B", 0),
    ]
    assert run.concat == "alpha" and [sample.age for sample in run.samples] == [1, 1, 0]


def test_hidden_copies_beside_stores_are_passed_over(tmp_path: Path) -> None:
    store = AttentionStore()
    store.write(["a"], torch.rand(1, 1, 3, 3))
    save_stores(tmp_path / "1_guide.safetensors", {"A": store.state()}, {})
    (tmp_path / "._1_guide.safetensors").write_bytes(b"what macOS leaves on other file systems")
    assert len(read_stores(tmp_path).samples) == 1
