"""The guides of one host model: attached to its networks, fed by its batches, shown on its pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.attaching.guides_file import check_input, take_test_maps
from guidegan_plugin.attaching.mechanism_options import warn_of_unused
from guidegan_plugin.attaching.pairs import HOW_TO_WRITE, check_distinct
from guidegan_plugin.attaching.places import NamedPlace, follow_path
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError, HostError, StoreError
from guidegan_plugin.guidance.calls.stages import Stage
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import is_compiled, unwrap
from guidegan_plugin.hosts.junyanz.batches import BatchReader
from guidegan_plugin.hosts.junyanz.codebase import Codebase
from guidegan_plugin.hosts.junyanz.epochs import EpochCounter
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.hosts.junyanz.known_pairs import known_pairs
from guidegan_plugin.hosts.junyanz.memory_file import MemoryFile
from guidegan_plugin.hosts.junyanz.networks import NewNetworks
from guidegan_plugin.plugins.listeners import switch_on
from guidegan_plugin.plugins.manager import create_manager


class HostGuides:
    """One guide a pair of a host's model.

    Args:
        model: The model, its networks built.
        host_model: Its name.
        config: How it is guided.

    Raises:
        ConfigError, PluginError, HostError: If a name is unknown or a network lacks what the config asks for.
    """

    def __init__(self, model: HostModel, host_model: str, config: GuideConfig) -> None:
        self.codebase = Codebase.running()
        self.model, self.host_model, self.config = model, host_model, config
        self.pairs = known_pairs(host_model, model.opt)
        check_distinct(self.pairs)
        if model.isTrain and config.test_map == "predict":
            raise ConfigError(
                "test_map=predict is for tests, and is made of what a training remembers; leave out --guide_test_map, "
                "or change it to mean"
            )
        self.active = config.attention != "none"
        self.guides: dict[str, Guide] = {}
        self.epoch = EpochCounter(model.opt, self.codebase.may_drop_batches)
        self._adapted: set[str] = set()  # pairs whose generator takes the blended input
        self._counted = 0  # samples of the batch under way, while they may be of a test
        self._reader = BatchReader(model, host_model, bool(model.isTrain) and config.align == "canonical")
        self.new_networks = NewNetworks(model, self.codebase.generation)
        self._manager = manager = create_manager()
        self.memory = MemoryFile(model, manager, config, self.guides)
        if model.isTrain and self.active and not model.opt.guide_dry_run:
            switch_on(manager, vars(model.opt), Path(model.save_dir))
        factory = GuideFactory.open(config, manager)
        warn_of_unused(manager, config)
        self.binding = factory.binding
        if not self.active:
            return
        for pair in self.pairs:
            self.guides[pair.name] = factory.guide(
                self.stages(pair.stages),
                self.stages(pair.judges) if model.isTrain else None,
                pair.name,
                testing=not model.isTrain,
                progress=self._progress,
                losses=self._losses,
            )
            self.new_networks.add(self.guides[pair.name])
        called = {place.path for pair in self.pairs for place in (*pair.stages, *pair.judges)}
        self._networks = sorted({*called, *(f"net{name}" for name in self.new_networks.names)})
        self._held: list[nn.Module | None] = []  # as they were at the last batch
        if model.isTrain and config.anneal_span is not None:
            self._progress()  # a host that does not say how long it trains is refused before it does

    def network(self, attribute: str) -> nn.Module:
        """A network of the model by its attribute.

        Raises:
            HostError: If there is none; the message lists those there are.
        """
        network = follow_path(self.model, attribute)
        if not isinstance(network, nn.Module):
            found = [name for name, value in vars(self.model).items() if isinstance(value, nn.Module)]
            raise HostError(
                f"model {self.host_model} has no network {attribute} (it has {', '.join(found)}); {HOW_TO_WRITE}"
            )
        return network

    def stages(self, places: Sequence[NamedPlace]) -> list[Stage]:
        """Where networks of the model are met.

        Raises:
            HostError: As :meth:`network`.
        """
        return [place.at(self.network(place.path)) for place in places]

    def _progress(self, steps: int = 0) -> float:
        """Share of the training done once the batch under way is over; by epochs, so that a resumed run goes on."""
        options = self.model.opt
        lengths = [read_option(options, name) for name in ("n_epochs", "n_epochs_decay")]
        if None in lengths:
            raise HostError(
                "the host has no option n_epochs that says how long it trains; change --guide_anneal to off"
            )
        return self.epoch.progress(read_option(options, "epoch_count"), sum(lengths))

    def _losses(self) -> dict[str, Tensor | float]:
        """The host's losses of the newest step, as they are: reading a number off one would wait for the device."""
        found = {name: getattr(self.model, f"loss_{name}", None) for name in self.model.loss_names}
        return {
            name: loss.detach() if isinstance(loss, Tensor) else loss
            for name, loss in found.items()
            if isinstance(loss, (Tensor, float, int))
        }

    def adapt(self, network: nn.Module | None = None) -> None:
        """Widen generators where the concatenation asks for it and nobody has yet: this one if it is guided, or all."""
        for pair in self.pairs if self.active else ():
            generator = self.network(pair.stages[0].path)
            if pair.name not in self._adapted and (network is None or unwrap(network) is unwrap(generator)):
                self.guides[pair.name].adapt_generator(self.model.optimizers if self.model.isTrain else ())
                self._adapted.add(pair.name)

    def narrow(self) -> None:
        """Undo :meth:`adapt`."""
        for guide in self.guides.values():
            guide.concatenation.restore()
        self._adapted.clear()

    def after_setup(self) -> None:
        """Load the memory that belongs to the checkpoint the host has loaded; in a test what stands for the map there.

        Raises:
            StoreError: As :meth:`MemoryFile.load`; in a test if what makes the maps is missing or foreign.
        """
        if self.active and self.model.isTrain and read_option(self.model.opt, "continue_train"):
            self.memory.load()
        elif self.active and not self.model.isTrain:
            take_test_maps(self.memory.store, self.guides.values())
            for guide in self.guides.values():
                if guide.given is not None:
                    guide.given.require()

    def check_tested(self) -> None:
        """Refuse to test weights that were trained with another input; without a store nobody knows.

        Raises:
            StoreError: If the store beside the checkpoint says so.
        """
        if self.active and not self.model.isTrain and self.memory.store.exists():
            check_input(self.memory.store, self._manager, self.config)

    def bind(self, batch: Any) -> None:
        """Say which image each source tensor of a batch is.

        Raises:
            HostError: If the batch lacks what a pair names.
            StoreError: If the memory that was loaded is of other images, this batch's keys being paths.
        """
        self.settle()
        if self.active:
            self._follow()
        found = [(pair.name, *self._reader.read(batch, pair)) for pair in (self.pairs if self.active else ())]
        if self.memory.other_data and self._reader.saw_paths:
            raise StoreError(self.memory.other_data)
        count = len(getattr(self.model, self.pairs[0].source))
        remember = self.epoch.not_padding(count)
        # Bound one right after the other: copies of a batch are looked out for from here to the generators' calls.
        for name, images, keys, view in found:
            self.guides[name].bind(images, keys, view, remember)
        self.epoch.count(count)
        self._counted = count

    def settle(self) -> None:
        """Take the batch under way out of the epoch's count if it was only tested, in a validation between steps."""
        counted, self._counted = self._counted, 0
        for name, guide in self.guides.items():
            visit = guide.binding.visits.get(name)
            if visit is None or visit.judged or not visit.tested:
                return
        if counted and self.guides:
            self.epoch.count(-counted)

    def _follow(self) -> None:
        """Go over to what the host holds its networks in by now: it may have compiled or wrapped them."""
        model = self.model
        held = [getattr(model, at, None) if at.isidentifier() else follow_path(model, at) for at in self._networks]
        if held == self._held:  # modules are equal to themselves alone
            return
        for pair in self.pairs:
            guide = self.guides[pair.name]
            if guide.judges:
                generator, judges = self.stages(pair.stages), self.stages(pair.judges[: len(guide.judges)])
                networks = [place.module for place in (*generator, *judges)]
                # DistributedDataParallel calls the very network inside; the others call copies of it, or a graph.
                wrapped = any(is_compiled(network) or isinstance(network, nn.DataParallel) for network in networks)
                if wrapped and not guide.is_on(generator, *judges):
                    guide.follow(generator, *judges)
            guide.call_through(self.new_networks.wrapped())
        self._held = held

    def end_epoch(self) -> None:
        """Close an epoch, if one has begun: some hosts mark an epoch before its first step, too."""
        self.settle()
        if self.epoch.seen:
            for guide in self.guides.values():
                guide.end_epoch()
        self.epoch.mark()
