"""The hooks of one pair on its two networks, which stay the host's."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.call_site import CallSiteHandle
from guidegan_plugin.guidance.calls.discriminator import DiscriminatorTap
from guidegan_plugin.guidance.calls.generator import GeneratorAdapter


class Attachment:
    """Holds both networks weakly, and every hook's handle.

    Args:
        pair: Name of the pair.
        generator: G, or the wrapper the host calls it through.
        adapter: G's call site.
        taps: A call site for each D that judges G's output; none where nothing at all is to be attached.

    Raises:
        ConfigError: If G is guided already.
    """

    def __init__(
        self, pair: str, generator: nn.Module, adapter: GeneratorAdapter, taps: Sequence[DiscriminatorTap]
    ) -> None:
        self._pair, self._adapter, self._taps = pair, adapter, taps
        self._generator = weakref.ref(generator)
        self._discriminators: list[weakref.ReferenceType[nn.Module]] = []
        self._handles: list[RemovableHandle | CallSiteHandle] = [adapter.attach(generator)] if taps else []

    @property
    def generator(self) -> nn.Module:
        """G, as the host calls it.

        Raises:
            ConfigError: If it no longer exists.
        """
        generator = self._generator()
        if generator is None:
            raise ConfigError(
                f"the generator of pair {self._pair} no longer exists; keep it alive as long as its guide"
            )
        return generator

    @property
    def discriminators(self) -> list[nn.Module]:
        """Those D, as the host calls them, that are watched and exist."""
        return [network for there in self._discriminators if (network := there()) is not None]

    @property
    def discriminator(self) -> nn.Module | None:
        """The first D, as the host calls it; None where there is none, or none any more."""
        return next(iter(self.discriminators), None)

    def watch(self, *discriminators: nn.Module) -> None:
        """Tap the discriminators that judge G's output.

        Raises:
            ConfigError: If one is guided already or lacks the layer; that one is untouched then.
        """
        for tap, discriminator in zip(self._taps, discriminators, strict=bool(self._taps)):
            self._handles += tap.attach(discriminator)
            self._discriminators.append(weakref.ref(discriminator))

    def follow(self, generator: nn.Module, *discriminators: nn.Module) -> None:
        """Go over to wrappers of the same networks."""
        if not self._taps:
            return
        muted = [handle for handle in self._handles if isinstance(handle, CallSiteHandle)]
        for handle in self._handles:
            handle.mute() if isinstance(handle, CallSiteHandle) else handle.remove()
        self._generator, self._discriminators = weakref.ref(generator), []
        self._handles = [*muted, self._adapter.attach(generator)]
        self.watch(*discriminators)

    def is_on(self, generator: nn.Module, *discriminators: nn.Module) -> bool:
        """Whether these are the very modules that are met."""
        watched = [there() for there in self._discriminators]
        return self._generator() is generator and (not watched or watched == list(discriminators))

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
        self._handles = []
