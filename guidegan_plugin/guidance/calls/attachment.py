"""The hooks of one pair on its two networks, which stay the host's."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.call_site import CallSiteHandle
from guidegan_plugin.guidance.calls.discriminator import DiscriminatorTap
from guidegan_plugin.guidance.calls.generator import GeneratorAdapter
from guidegan_plugin.guidance.calls.stages import Places, Stage, Where, entry_and_exit, stages
from guidegan_plugin.guidance.layers import forget_graphs


class _Place(NamedTuple):
    """A stage whose network is held weakly."""

    module: weakref.ReferenceType[nn.Module]
    method: str

    @classmethod
    def of(cls, stage: Stage) -> _Place:
        return cls(weakref.ref(stage.module), stage.method)

    def stage(self) -> Stage | None:
        module = self.module()
        return None if module is None else Stage(module, self.method)


class Attachment:
    """Holds both networks weakly, and every hook's handle.

    Args:
        pair: Name of the pair.
        generator: G, or the wrapper the host calls it through; one place, or its entry and its exit.
        adapter: G's call site.
        taps: A call site for each D that judges G's output; none where nothing at all is to be attached.
        discriminators: Those D, None where there is none yet.

    Raises:
        ConfigError: If a network is guided already or lacks the layer; nothing stays attached then.
    """

    def __init__(
        self,
        pair: str,
        generator: Places,
        adapter: GeneratorAdapter,
        taps: Sequence[DiscriminatorTap],
        discriminators: Places | None = None,
    ) -> None:
        self._pair, self._adapter, self._taps = pair, adapter, taps
        self._discriminators: list[_Place] = []
        self._handles: list[RemovableHandle | CallSiteHandle] = []
        try:
            self._meet(*entry_and_exit(generator))
            if discriminators is not None:
                self.watch(*stages(discriminators))
        except BaseException:
            self.remove()
            raise

    def _forget_graphs(self) -> None:
        """Networks that ran compiled are compiled anew, now that their hooks are others."""
        there = [place.module() for place in (self._generator, self._exit, *self._discriminators) if place is not None]
        forget_graphs(network for network in there if network is not None)

    def _meet(self, entry: Stage, exit_: Stage | None) -> None:
        self._generator, self._exit = _Place.of(entry), None if exit_ is None else _Place.of(exit_)
        self._handles += self._adapter.attach(entry, exit_) if self._taps else []

    @property
    def generator(self) -> nn.Module:
        """G, as the host calls it; of two stages the entry.

        Raises:
            ConfigError: If it no longer exists.
        """
        generator = self._generator.module()
        if generator is None:
            raise ConfigError(
                f"the generator of pair {self._pair} no longer exists; keep it alive as long as its guide"
            )
        return generator

    @property
    def way_in(self) -> Stage | None:
        """Where G is met, of two stages the entry; None where it no longer exists."""
        return self._generator.stage()

    @property
    def leaves(self) -> bool:
        """Whether G is left at another place than it is entered."""
        return self._exit is not None

    @property
    def device(self) -> torch.device:
        """Of G."""
        parameter = next(self.generator.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def way(self) -> str:
        """What the source's way through G is, in words: its class, or entry and exit."""
        met = [there.stage() for there in (self._generator, self._exit) if there is not None]
        return "..".join(map(str, met))

    @property
    def discriminators(self) -> list[nn.Module]:
        """Those D, as the host calls them, that are watched and exist."""
        return [network for there in self._discriminators if (network := there.module()) is not None]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Every network of the pair by its role: ``G``, ``exit`` where that is another one, ``D``, ``D1``, ..."""
        found = {"G": self.generator}
        left = None if self._exit is None else self._exit.module()
        if left is not None and left is not found["G"]:
            found["exit"] = left
        return found | {f"D{number or ''}": one for number, one in enumerate(self.discriminators)}

    @property
    def discriminator(self) -> nn.Module | None:
        """The first D, as the host calls it; None where there is none, or none any more."""
        return next(iter(self.discriminators), None)

    @property
    def idle_judges(self) -> list[str]:
        """Those of several D that were never seen to judge, in words."""
        met = zip(self._taps, self._discriminators, strict=False)
        return [str(there.stage()) for tap, there in met if not tap.has_judged]

    def watch(self, *discriminators: Where) -> None:
        """Tap the discriminators that judge G's output.

        Raises:
            ConfigError: If some are tapped already, their number is another one than the pair was attached for, or one
                is named twice, is guided already or lacks the layer; all are untouched then.
        """
        judges, handles = stages(discriminators), list[RemovableHandle | CallSiteHandle]()
        if self._taps and (self.discriminators or len(judges) != len(self._taps)):
            raise ConfigError(
                f"pair {self._pair} watches {len(self.discriminators)} of {len(self._taps)} discriminators, found "
                f"{len(judges)} to be watched; name all of them once, to attach() or to guide.watch()"
            )
        for number, judge in enumerate(judges):
            if any(judge.is_at(other) for other in judges[:number]):
                raise ConfigError(
                    f"pair {self._pair}: the same {judge} is named twice; change discriminator= (--guide_pairs)"
                )
        try:
            for tap, judge in zip(self._taps, judges, strict=bool(self._taps)):
                handles += tap.attach(judge)
        except BaseException:
            for handle in handles:
                handle.remove()
            raise
        self._handles += handles
        self._discriminators = [_Place.of(judge) for judge in judges] if self._taps else []
        if self._handles:
            self._forget_graphs()

    def follow(self, generator: Places, *discriminators: Where) -> None:
        """Go over to wrappers of the same networks; an exit, or discriminators, that are not named stay.

        Raises:
            ConfigError: If one is guided already or lacks the layer; the networks that were met still are.
        """
        if not self._taps:
            return
        there = [None if place is None else place.stage() for place in (self._generator, self._exit)]
        watched = [judge for place in self._discriminators if (judge := place.stage()) is not None]
        entry, exit_ = entry_and_exit(generator)
        try:
            self._go_over(entry, exit_ or there[1], stages(discriminators) or watched)
        except BaseException:
            if there[0] is not None:
                self._go_over(there[0], there[1], watched)
            raise

    def _go_over(self, entry: Stage, exit_: Stage | None, judges: Sequence[Stage]) -> None:
        """Meet other networks, and these alone."""
        muted = [handle for handle in self._handles if isinstance(handle, CallSiteHandle)]
        for handle in self._handles:
            handle.mute() if isinstance(handle, CallSiteHandle) else handle.remove()
        self._handles, self._discriminators = [*muted], []
        self._meet(entry, exit_)
        if judges:
            self.watch(*judges)
        self._handles = list(dict.fromkeys(self._handles))  # those of networks that are met again

    def is_on(self, generator: Places, *discriminators: Where) -> bool:
        """Whether these are the very networks and methods that are met."""
        entry, exit_ = entry_and_exit(generator)
        judges = [_Place.of(judge) for judge in stages(discriminators)]
        left = self._exit if exit_ is None else _Place.of(exit_)
        watched = self._discriminators
        return (self._generator, self._exit) == (_Place.of(entry), left) and (not watched or watched == judges)

    def look(self, images: Tensor) -> tuple[Any, Tensor]:
        """As ``Guide.look``; of several discriminators the first is asked.

        Raises:
            ConfigError: If there is no discriminator, or its call does not pass the tapped layer.
        """
        discriminator = self.discriminator
        if discriminator is None:
            raise ConfigError(
                f"pair {self._pair} has no discriminator to look with; change discriminator= (--guide_show)"
            )
        prediction, maps = self._taps[0].look(discriminator, images)
        if maps is None:
            raise ConfigError(
                f"pair {self._pair}: the call did not pass the tapped layer; change layer (--guide_layer)"
            )
        return prediction, maps

    def remove(self) -> None:
        """Remove everything; twice is fine."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            self._forget_graphs()
        self._handles = []
