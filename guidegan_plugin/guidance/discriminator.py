"""The tap on a discriminator: takes the maps of the one call that judges the fresh fake."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention import Attention
from guidegan_plugin.guidance.hooks import Hook, is_guided
from guidegan_plugin.guidance.provenance import origin
from guidegan_plugin.guidance.source import SourceBinding, Visit
from guidegan_plugin.guidance.store import AttentionStore

_log = logging.getLogger(__name__)


class DiscriminatorTap:
    """The hooks on one discriminator.

    Args:
        pair: Name of the pair.
        binding: Knows the visit under way and what the generator made of it.
        store: Where maps go.
        attention: The mechanism that reads them.
    """

    def __init__(self, pair: str, binding: SourceBinding, store: AttentionStore, attention: Attention) -> None:
        self._pair, self._binding, self._store, self._attention = pair, binding, store, attention
        self._visit: Visit | None = None
        self._looking = False
        self._warned = False
        self.latest: Tensor | None = None

    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Register the hooks; if one cannot be, none stays.

        Raises:
            ConfigError: If the discriminator is guided already, or lacks the mechanism's layer.
        """
        if is_guided(discriminator):
            raise ConfigError("this discriminator is guided already; call detach() on its guide first")
        handles = self._attention.attach(discriminator)
        handles.append(discriminator.register_forward_pre_hook(Hook(self._before), with_kwargs=True))
        handles.append(discriminator.register_forward_hook(Hook(self._after)))
        return handles

    def look(self, discriminator: nn.Module, images: Tensor) -> tuple[Any, Tensor | None]:
        """Ask the discriminator where it looks, without gradient and without writing.

        Args:
            discriminator: The tapped discriminator.
            images: ``(N, C, H, W)``, what it judges.

        Returns:
            Its prediction, and maps ``(N, 1, h, w)`` or None.
        """
        self._looking = True
        try:
            with torch.no_grad():
                prediction = discriminator(images)
            return prediction, self._attention.take_maps(prediction)
        finally:
            self._looking = self._attention.listening = False

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Set anew at each call, so that a call that raised leaves nothing behind.
        self._visit = None
        self._attention.listening = self._looking
        if self._looking:
            return
        current = self._binding.current(self._pair)
        judged = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if current is not None and any(origin(images) is current for images in judged):
            self._visit = current
            self._attention.listening = True

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        visit, self._visit = self._visit, None
        if visit is None:
            return
        self._attention.listening = False
        maps = self._attention.take_maps(output)
        if maps is None or len(maps) != len(visit.keys):
            self._warn(maps, visit)
            return
        self._store.write(visit.keys, maps, visit.view, first=not visit.judged)
        visit.judged = True
        self.latest = maps

    def _warn(self, maps: Tensor | None, visit: Visit) -> None:
        if not self._warned:
            self._warned = True
            found = "no map" if maps is None else f"{len(maps)} maps"
            _log.warning(
                "pair %s: the discriminator gave %s for %d images; they are not stored",
                self._pair,
                found,
                len(visit.keys),
            )
