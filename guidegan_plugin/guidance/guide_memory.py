"""GuideMemory: what one pair remembers, as its guide tells it, keeps it in files and takes it up again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from guidegan_plugin.guidance.calls.attachment import Attachment
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit, as_keys
from guidegan_plugin.guidance.concatenation.schedule import Schedule
from guidegan_plugin.guidance.memory.digests import networks_digest
from guidegan_plugin.guidance.memory.exchange import exchange
from guidegan_plugin.guidance.memory.statistics import statistics
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import check_belongs, load_stores, of_other_weights, save_stores
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.reports import Reporter
from guidegan_plugin.guidance.test_time.given_map import GivenMap, States

_log = logging.getLogger(__name__)


class GuideMemory:
    """The part of a guide that knows its pair's memory.

    Attributes:
        name: Name of the pair.
        store: Remembers maps.
        binding: Shared by the pairs of one training.
        given: What stands for the map at test time; None for ones.
    """

    name: str
    store: AttentionStore
    binding: SourceBinding
    given: GivenMap | None
    _attachment: Attachment
    _reporter: Reporter
    _schedule: Schedule

    def maps(self, keys: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The maps remembered, as seen at their last visit.

        Returns:
            Maps ``(N, 1, h, w)``, float32 in [0, 1], and visited ``(N,)``, bool, False where the map is still the
            placeholder of ones.
        """
        recalled = self.store.recall(as_keys(keys))
        return recalled.maps, torch.tensor(recalled.visited, device="cpu")

    def views(self, keys: Sequence[str]) -> View | None:
        """Under which crop and flip each image was last seen; None where no view is known."""
        return self.store.recall(as_keys(keys)).views

    def digest(self) -> str:
        """Fingerprint of G's and D's weights: a store belongs to the networks that made it."""
        return networks_digest(self._attachment.networks)

    def digests(self, roles: str) -> dict[str, str]:
        """Fingerprints of single networks by their roles.

        Args:
            roles: First letters: ``"G"`` and what it leaves through is ``"Ge"``, ``"D"`` are the discriminators.
        """
        networks = self._attachment.networks
        return {role: networks_digest({role: networks[role]}) for role in networks if role[0] in roles}

    def facts(self) -> dict[str, str]:
        """What a store's file says of this pair besides its maps: whose weights, how many batches and judged visits."""
        visit = self.binding.current(self.name)  # reported at the next bind, which a resumed training has no more
        visits = self._reporter.steps + (visit is not None and visit.judged)
        numbers = {"steps": str(self._schedule.steps), "visits": str(visits)}
        newest = self.binding.newest.get(self.name)
        if newest is not None and isinstance(newest.made.visit, Visit):
            numbers["image"] = "x".join(map(str, newest.made.visit.shape[1:]))
            numbers["cells"] = "x".join(map(str, newest.maps.shape[-2:]))
        single = {f"digest.{role}": digest for role, digest in self.digests("GeD").items()}
        told = {"digest": self.digest(), **single, **numbers}
        return {f"{self.name}.{fact}": value for fact, value in told.items()}

    def save(self, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the memory of this pair into a file, whole or not at all.

        Raises:
            StoreError: If it cannot be written.
        """
        path = Path(path)
        state = self.store.save(path.parent, self.name, path, "path=")
        save_stores(path, {self.name: state}, {**(metadata or {}), **self.facts()})

    def load(self, path: str | Path) -> None:
        """Read the memory of this pair from a file, and from beside the file what stands for the map at test time.

        Raises:
            StoreError: If the file is missing, torn, foreign, or belongs to networks with other weights.
        """
        states, facts = load_stores(Path(path))
        self.load_state(states, facts, str(path))
        self.take_test_map(states, facts, Path(path))

    def take_test_map(self, states: States, facts: Mapping[str, str], path: Path) -> None:
        """Take what stands for the map at test time out of what ``load_stores`` read, and from beside the file.

        What is missing is refused when it is needed, or asked for with ``given.require()``. Of a generator with other
        weights a warning says so, since it may be an average of those that the store was saved with (EMA).

        Args:
            states: Empty where there is no store.
            facts: Likewise.
            path: Of the store, or where it would be.
        """
        if self.given is None:
            return
        if others := of_other_weights(facts, self.name, self.digests("Ge"), str(path)):
            _log.warning("%s; its maps are given all the same", others)
        self.given.take(states, facts, path)

    def load_state(self, states: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, str], source: str) -> None:
        """Take this pair's memory out of what ``load_stores`` read.

        Raises:
            StoreError: As :func:`~guidegan_plugin.guidance.memory.store_file.check_belongs`; nothing is taken then.
        """
        check_belongs(states, facts, self.name, self.digest, source)
        self.store.load_state(states[self.name], self._attachment.device)
        self._schedule.steps = int(facts.get(f"{self.name}.steps", 0))
        self._reporter.steps = int(facts.get(f"{self.name}.visits", 0))

    def end_epoch(self) -> None:
        """Close an epoch: processes exchange what they remember, and monitors hear the statistics.

        Where training is distributed every rank must call it.
        """
        exchange(self.store, self._attachment.device)
        self._reporter.epoch(self.statistics, self._attachment, self.binding.newest.get(self.name))
        self.store.end_epoch()

    def statistics(self) -> dict[str, float]:
        """Facts about the memory; waits for the device.

        Returns:
            As :func:`~guidegan_plugin.guidance.memory.statistics.statistics`; and how many batches were ``bound``,
            ``read`` a map for by the generator, and ``judged``, the one under way not among them.
        """
        return {**statistics(self.store), **asdict(self._reporter.watch.counts)}
