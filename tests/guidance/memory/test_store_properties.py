"""Two ranks' memories against plain dictionaries: writes, reads, exchanges, saves, and crashes, in any order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from torch import Tensor

from guidegan_plugin import View
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import load_stores, load_visits, save_stores

CPU = torch.device("cpu")
KEYS = [f"trainA/{number}.png" for number in range(6)] + ["ä/🦓", "caf\udce9", ""]
SHAPES = [(1, 1), (2, 3), (3, 2), (5, 5)]


@dataclass(frozen=True)
class Seen:
    """What a memory should say of one image."""

    map: Tensor
    theta: Tensor | None
    stamp: int


class Rank:
    """A memory, and the dictionaries it should agree with."""

    def __init__(self, visits: dict[str, int] | None = None) -> None:
        self.store = AttentionStore()
        self.seen: dict[str, Seen] = {}
        self.told, self.fresh = dict(visits or {}), dict[str, int]()  # visits every rank knows, and this one's own
        self.writes = 0

    @property
    def visits(self) -> dict[str, int]:
        return {key: self.told.get(key, 0) + self.fresh.get(key, 0) for key in self.seen}


class Memories(RuleBasedStateMachine):
    """Training on two ranks, of which the first saves."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "latest_guide.safetensors"
        self.ranks = [Rank(), Rank()]
        self.saved: tuple[dict[str, Seen], dict[str, int]] | None = None

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(
        place=st.integers(0, 1),
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
        shape=st.sampled_from(SHAPES),
        view=st.sampled_from([None, (0, 0, False), (3, 1, True)]),
        seed=st.integers(0, 999),
    )
    def visit(self, place: int, keys: list[str], shape: tuple[int, int], view: Any, seed: int) -> None:
        rank, random = self.ranks[place], torch.Generator().manual_seed(seed)
        maps = torch.randint(0, 256, (len(keys), 1, *shape), generator=random) / 255
        seen = None if view is None else View.crop(view[:2], (4, 4), (8, 8), view[2])
        views = None if seen is None else View.stack([seen] * len(keys))
        rank.store.write(keys, maps, views)
        rank.writes += 1
        for key, one in zip(keys, maps, strict=True):
            rank.seen[key] = Seen(one, None if seen is None else seen.theta[0], rank.writes)
            rank.fresh[key] = rank.fresh.get(key, 0) + 1

    @rule(place=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=5))
    def read(self, place: int, keys: list[str]) -> None:
        rank = self.ranks[place]
        recalled = rank.store.recall(keys)
        found = [rank.seen.get(key) for key in keys]
        assert recalled.visited == [one is not None for one in found]
        assert recalled.visits == tuple(rank.visits.get(key, 0) for key in keys)
        assert recalled.ages == tuple(None if one is None else rank.writes - one.stamp + 1 for one in found)
        shape = next((tuple(one.map.shape[1:]) for one in found if one is not None), (1, 1))
        assert recalled.maps.shape == (len(keys), 1, *shape)
        for one, got in zip(found, recalled.maps, strict=True):
            if one is None or one.map.shape[1:] == shape:
                assert torch.equal(got, torch.ones(1, *shape) if one is None else one.map)
        whole = View.identity().theta[0]
        if recalled.views is None:
            assert all(one is None or one.theta is None for one in found)
        else:
            wanted = [whole if one is None or one.theta is None else one.theta for one in found]
            assert torch.equal(recalled.views.theta, torch.stack(wanted))

    @rule(told=st.booleans())
    def exchange(self, told: bool) -> None:
        changes = [rank.store.changes() for rank in self.ranks]
        newest: dict[str, Seen] = {}
        for rank in self.ranks:
            for key in rank.fresh:
                if key not in newest or rank.seen[key].stamp > newest[key].stamp:
                    newest[key] = rank.seen[key]
        fresh = [rank.fresh for rank in self.ranks]
        for place, rank in enumerate(self.ranks):
            rank.store.merge(changes, CPU, place if told else None)
            for key in newest:
                rank.told[key] = rank.told.get(key, 0) + sum(counts.get(key, 0) for counts in fresh)
            rank.seen.update(newest)
            rank.writes = max([rank.writes, *(one.stamp for one in newest.values())])
        for rank in self.ranks:
            rank.fresh = {}
        one, other = (rank.store.recall(sorted(newest)) for rank in self.ranks)
        assert torch.equal(one.maps, other.maps) and one.visits == other.visits

    @rule()
    def save(self) -> None:
        first = self.ranks[0]
        save_stores(self.path, {"A": first.store.state()}, {"config": "{}"})
        self.saved = dict(first.seen), first.visits
        assert load_visits(self.path) == {"A": first.visits}

    @rule()
    def crash(self) -> None:
        """Both ranks begin anew from what was saved last."""
        self.ranks = [Rank(), Rank()]
        if self.saved is None:
            return
        seen, visits = self.saved
        for rank in self.ranks:
            states, facts = load_stores(self.path)
            assert facts["config"] == "{}"
            rank.store.load_state(states["A"], CPU)
            rank.seen = {key: Seen(one.map, one.theta, 0) for key, one in seen.items()}
            rank.told = dict(visits)

    @invariant()
    def they_agree(self) -> None:
        for rank in getattr(self, "ranks", ()):
            assert set(rank.store) == set(rank.seen) and len(rank.store) == len(rank.seen)
            assert rank.store.nbytes == sum(one.map.numel() for one in rank.seen.values())
            assert rank.store.counts.visits == sum(rank.visits.values())


TestMemories = Memories.TestCase
TestMemories.settings = settings(max_examples=40, stateful_step_count=20)
