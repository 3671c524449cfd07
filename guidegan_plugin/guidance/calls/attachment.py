"""The hooks of one pair on its two networks, which stay the host's."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.copy_safe import remove
from guidegan_plugin.guidance.calls.discriminator import DiscriminatorTap
from guidegan_plugin.guidance.calls.generator import GeneratorAdapter


class Attachment:
    """Holds both networks weakly, and every hook's handle.

    Args:
        pair: Name of the pair.
        generator: G, or the wrapper the host calls it through.
        adapter: G's hooks.
        tap: D's hooks, None where nothing at all is to be attached.

    Raises:
        ConfigError: If G is guided already.
    """

    def __init__(
        self, pair: str, generator: nn.Module, adapter: GeneratorAdapter, tap: DiscriminatorTap | None
    ) -> None:
        self._pair, self._adapter, self.tap = pair, adapter, tap
        self._generator = weakref.ref(generator)
        self._discriminator: Callable[[], nn.Module | None] = lambda: None
        self._handles: list[RemovableHandle] = adapter.attach(generator) if tap is not None else []

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
    def discriminator(self) -> nn.Module | None:
        """D, as the host calls it; None where there is none, or none any more."""
        return self._discriminator()

    @property
    def latest(self) -> Tensor | None:
        """Maps of the newest judgement, ``(N, 1, h, w)``, float32 in [0, 1]; None before the first."""
        return None if self.tap is None else self.tap.latest

    def watch(self, discriminator: nn.Module) -> None:
        """Tap a discriminator.

        Raises:
            ConfigError: If it is guided already or lacks the layer; it is untouched then.
        """
        if self.tap is not None:
            self._handles += self.tap.attach(discriminator)
            self._discriminator = weakref.ref(discriminator)

    def follow(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Go over to compiled wrappers of the same networks."""
        if self.tap is None:
            return
        self.remove()
        self._generator = weakref.ref(generator)
        self._handles = self._adapter.attach(generator)
        self.watch(discriminator)

    def is_on(self, generator: nn.Module, discriminator: nn.Module) -> bool:
        """Whether these are the very modules the hooks are on."""
        return self._generator() is generator and self._discriminator() in (None, discriminator)

    def look(self, images: Tensor) -> tuple[Any, Tensor]:
        """As ``Guide.look``.

        Raises:
            ConfigError: If there is no discriminator, or its call does not pass the tapped layer.
        """
        discriminator = self._discriminator()
        if self.tap is None or discriminator is None:
            raise ConfigError(
                f"pair {self._pair} has no discriminator to look with; change discriminator= (--guide_show)"
            )
        prediction, maps = self.tap.look(discriminator, images)
        if maps is None:
            raise ConfigError(
                f"pair {self._pair}: the call did not pass the tapped layer; change layer (--guide_layer)"
            )
        return prediction, maps

    def remove(self) -> None:
        """Remove all hooks; twice is fine."""
        remove(self._handles)
        self._handles = []
