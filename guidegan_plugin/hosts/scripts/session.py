"""The guidance of one running script: attached once the script has made its networks, fed by what its loaders yield."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from guidegan_plugin.attaching.arrivals import ArrivalBinding, Batch
from guidegan_plugin.attaching.attach_pairs import attach_pairs
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.attaching.mechanism_options import warn_of_unused
from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.attaching.places import JUDGES, STAGES, read_places
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.datasets.opened_files import Recorded
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.guidance.calls.stages import Stage, modules
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.hosts.class_dry_run import describe
from guidegan_plugin.hosts.real_step import PATIENCE, is_judged, not_guided
from guidegan_plugin.hosts.scripts import names
from guidegan_plugin.hosts.scripts.scattered import follow_scattered
from guidegan_plugin.plugins.host import DryRunFinished
from guidegan_plugin.plugins.manager import create_manager

_log = logging.getLogger(__name__)

_CURE = "change the pair's source (--guide_pairs)"


class Session:
    """One run of a script.

    Args:
        pairs: What to guide, by names of the script's variables.
        config: How.
        plugins: Beside the installed ones: monitors.
        dry: Whether to end the script once a step was seen.

    Attributes:
        guides: By the pair's name, once attached.
        before_bind: Acts to be done before a pair's images are bound, given its guide.
    """

    def __init__(
        self, pairs: Sequence[Pair], config: GuideConfig, plugins: Iterable[object] = (), dry: bool = False
    ) -> None:
        # A pair without keys has those of the files that are opened.
        pairs = [replace(pair, keys=pair.keys or "") for pair in pairs]
        self._pairs, self._config, self._plugins, self.dry = tuple(pairs), config, tuple(plugins), dry
        self.guides: dict[str, Guide] = {}
        self.before_bind: list[Callable[[Guide], None]] = []
        self._binding = ArrivalBinding(pairs, self._before_bind)
        self._optimizers: dict[int, Optimizer] = {}
        self._stepped: set[int] = set()
        self._placed, self._batches = False, 0
        self._held: list[nn.Module] = []  # a script may be over, and its variables gone, before its guidance is
        self._ended: BaseException | None = None
        self._fields: set[str] = set()
        self._unbound: Counter[str] = Counter()

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """An error of ours within ends the script, also one that catches whatever happens and goes on.

        Raises:
            GuideError: The first one, in every such block from then on.
            SystemExit: The same.
        """
        if self._ended is not None:
            raise self._ended
        try:
            yield
        except (GuideError, SystemExit) as error:
            self._ended = error
            raise

    # What the script is seen to do

    def calls(self, network: nn.Module) -> None:
        """A network is called, or is about to be given weights: guide the networks if this is a pair's generator."""
        if not self.guides:
            self._attach(for_network=unwrap(network))

    def yields(self, loader: object, batch: Any) -> Any:
        """A loader yields a batch.

        Args:
            loader: Tells one loader from another.
            batch: As it came, with the files that were opened where anybody knows.

        Returns:
            The batch as the script shall have it.
        """
        if not self.guides:
            self._attach()
        elif self._batches < PATIENCE:
            self._all_judged()
        content, files = batch if isinstance(batch, Recorded) else (batch, ())
        if self.guides:
            self._batches += 1
            self._end_dry_run()
        if any(guide.attention is not None for guide in self.guides.values()):
            self._binding.arrived(loader, arrived := Batch(content, files))
            self._fields |= set(arrived.images)
        return content

    def ends(self, loader: object = None) -> None:
        """A loader, None for all, was read to its end or is read anew: an epoch of the pairs it trained is over."""
        for name in sorted(self._binding.trained(loader)):
            self.guides[name].end_epoch()

    def steps(self, optimizer: Optimizer) -> None:
        """An optimizer is about to change weights.

        Raises:
            ConfigError: If the networks that were named are not there, or new parameters are trained by nobody.
            GuideError: If guidance is strict, and a generator is trained without it.
        """
        if not self.guides:
            self._attach()
        if not self.guides or not self._all_judged():
            raise names.lacking(self._pairs)
        self._binding.stepped()
        self._optimizers[id(optimizer)] = optimizer
        if not self._placed:
            self._place(all_seen=id(optimizer) in self._stepped)
        self._stepped.add(id(optimizer))
        for name, guide in self.guides.items():
            if guide.attention is not None and guide.binding.current(name) is None:
                self._never_bound(name, optimizer)

    def restores(self, optimizer: Optimizer) -> None:
        """An optimizer is about to be given a state: guide the networks first, so that it has what a training adds."""
        if not self.guides:
            self._attach()
        if self.guides:
            self._optimizers[id(optimizer)] = optimizer
            self._place(all_seen=False)

    def made_of(self, images: Tensor, result: Tensor) -> None:
        """The script made something of images, row by row, where nobody could follow: it shows what they show."""
        self._binding.lineage.follow(images, result)

    def scattered(self, wrapper: nn.Module, given: object, parts: tuple[Sequence[object], Sequence[object]]) -> None:
        """DataParallel has copied the arguments of a call onto its devices.

        Raises:
            ConfigError: If there are several devices, and copies of guided networks on them.
        """
        if any(guide.attention is not None for guide in self.guides.values()):
            follow_scattered(wrapper, given, parts, self._held, self.made_of)

    def finish(self) -> None:
        """The script is over."""
        if self._ended is not None:
            raise self._ended
        if not self.guides:
            raise names.lacking(self._pairs)
        if self.dry:
            raise self.described()
        self.ends()

    def detach(self) -> None:
        """Restore every network."""
        self._binding.visits.clear()  # no backward() comes that would be waited for
        for guide in self.guides.values():
            guide.detach()
        self._held.clear()

    def _never_bound(self, name: str, optimizer: Optimizer) -> None:
        """Say once that a generator is trained on images that no loader yielded."""
        pair = next(pair for pair in self._pairs if pair.name == name)
        entry = names.stages(pair.generator, STAGES)
        held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        if not entry or not any(id(weight) in held for weight in entry[0].module.parameters()):
            return
        self._unbound[name] += 1
        if pair.source and self._fields and pair.source not in self._fields:
            there = ", ".join(sorted(repr(one) if one else "no names: leave source= empty" for one in self._fields))
            raise ConfigError(f"pair {name}: no loaded batch has images {pair.source!r} (they have {there}); {_CURE}")
        if self._unbound[name] == PATIENCE:
            message = (
                f"pair {name} is not guided: in {PATIENCE} updates of the generator it was never called with images "
                f"that a DataLoader yielded, nor a copy of them (there came {', '.join(sorted(self._fields)) or 'none'}"
                f"); {_CURE}"
            )
            if self._config.strict:
                raise GuideError(f"{message} (--guide_strict)")
            _log.warning("%s", message)

    # What follows from that

    def _attach(self, for_network: nn.Module | None = None) -> None:
        """Guide the networks, once all are there; a generator that is used without a discriminator is tested."""
        found: dict[str, tuple[list[Stage], list[Stage]]] = {}
        for pair in self._pairs:
            generator, judges = names.stages(pair.generator, STAGES), names.stages(pair.discriminator, JUDGES)
            if not generator:
                return
            found[pair.name] = generator, judges
        own = [unwrap(stage.module) for generator, _ in found.values() for stage in generator]
        used = for_network is not None and any(for_network is one for one in own)
        if not used and (for_network is not None or not all(judges for _, judges in found.values())):
            return
        self._build(found)

    def _build(self, found: Mapping[str, tuple[list[Stage], list[Stage]]]) -> None:
        factory = GuideFactory.open(self._config, manager := create_manager(self._plugins), self._binding)
        warn_of_unused(manager, self._config)
        optimizers, own = names.optimizers(), {pair.name: pair for pair in self._pairs}

        def make(name: str, generator: Sequence[Stage], judges: Sequence[Stage]) -> Guide:
            later = len(read_places(str(own[name].discriminator), JUDGES))
            return factory.guide(generator, judges or None, name, key_of=own[name].key_of, later=later)

        self.guides |= attach_pairs(found, make, self._config, optimizers)
        self._binding.guides = self.guides
        self._held += [network for generator, judges in found.values() for network in modules(*generator, *judges)]
        self._optimizers = {id(one): one for one in optimizers}
        self._place(all_seen=False)

    def _all_judged(self) -> bool:
        """Whether every pair has its discriminators; those that the script has made since are watched from now on."""
        for pair in self._pairs:
            guide = self.guides[pair.name]
            if guide.attention is not None and not guide.judges:
                judges = names.stages(pair.discriminator, JUDGES)
                if not judges:
                    return False
                guide.watch(*judges)
                self._held += modules(*judges)
        return True

    def _place(self, all_seen: bool) -> None:
        """Give new parameters to the optimizers known by now."""
        try:
            for guide in self.guides.values():
                guide.join(self._optimizers.values())
            self._placed = True
        except ConfigError:
            if all_seen:
                raise

    def _before_bind(self, guide: Guide) -> None:
        for act in self.before_bind:
            act(guide)

    def _end_dry_run(self) -> None:
        """End a dry run once a step was guided, or several were not."""
        if not self.dry:
            return
        guided = all(guide.attention is None or is_judged(guide) for guide in self.guides.values())
        if guided or self._batches > PATIENCE * 10:
            raise self.described()

    def described(self) -> DryRunFinished:
        """The end of a dry run."""
        guided = [guide for guide in self.guides.values() if guide.attention is not None]
        trained = bool(self._stepped) or any(map(is_judged, guided))
        facts = describe(self._pairs, self.guides, trained)
        if guided and not trained:
            facts.append(("test", "no optimizer step was seen: a test shows the generator ones and remembers nothing"))
        return DryRunFinished(facts, next(filter(None, map(not_guided, guided if trained else ())), ""))
