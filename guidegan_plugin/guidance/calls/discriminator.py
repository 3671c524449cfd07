"""The tap on a discriminator: takes the maps of the one call that judges the fresh fake."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.signals import score
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.copy_safe import Hook, is_guided
from guidegan_plugin.guidance.calls.extra_pass import unnoticed
from guidegan_plugin.guidance.calls.fake_tracking import origin
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View

_log = logging.getLogger(__name__)


class DiscriminatorTap:
    """The hooks on one discriminator.

    Args:
        pair: Name of the pair.
        binding: Knows the visit under way and what the generator made of it.
        store: Where maps go.
        attention: The mechanism that reads them.
        scores: Whether somebody wants D's score of each fake.

    Attributes:
        latest: Maps of the newest judgement, ``(N, 1, h, w)``, float32 in [0, 1].
        score: The mean of D's prediction in it, one value, float32.
    """

    def __init__(
        self, pair: str, binding: SourceBinding, store: AttentionStore, attention: Attention, scores: bool = False
    ) -> None:
        self._pair, self._binding, self._store, self._attention = pair, binding, store, attention
        self._scores = scores
        self._visit: Visit | None = None
        self._looking = False
        self._warned = False
        self.latest: Tensor | None = None
        self.score: Tensor | None = None

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
        """Ask the discriminator where it looks, without writing; what is returned has no gradient.

        Args:
            discriminator: The tapped discriminator.
            images: ``(N, C, H, W)``, what it judges.

        Returns:
            Its prediction, and maps ``(N, 1, h, w)`` or None.
        """
        self._looking = True
        try:
            with unnoticed(discriminator):
                return self._ask(discriminator, images)
        finally:
            self._looking = False
            self._attention.forget()

    def _ask(self, discriminator: nn.Module, images: Tensor) -> tuple[Any, Tensor | None]:
        if not self._attention.needs_gradient:
            with torch.no_grad():
                prediction = discriminator(images)
            return prediction, self._attention.take_maps(prediction)
        # D's parameters may be frozen, and the caller may want no gradient: a copy of the images carries one.
        with torch.inference_mode(False), torch.enable_grad():
            prediction = discriminator(images.detach().clone().requires_grad_())
            maps = self._attention.take_maps(prediction)
        return tree_map_only(Tensor, Tensor.detach, prediction), maps

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._attention.listening:
            self._attention.forget()  # what a call that raised has left behind
        self._visit = None if self._looking else self._judged((*args, *kwargs.values()))
        self._attention.listening = self._looking or self._visit is not None

    def _judged(self, values: Iterable[object]) -> Visit | None:
        """The visit under way if its fresh fake is among what the discriminator is called with."""
        for value in values:
            # A fresh fake carries a gradient; real, detached and pooled images do not.
            visit = origin(value) if isinstance(value, Tensor) and value.requires_grad else None
            if visit is not None and visit is self._binding.current(self._pair):
                return visit
        return None

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        visit, self._visit = self._visit, None
        if visit is None:
            return
        self._attention.listening = False
        maps = self._attention.take_maps(output)
        if maps is None or (visit.keys and len(maps) != len(visit.keys)):
            self._warn(maps, visit)
            return
        if visit.keys:
            self._remember(visit, maps)
        visit.judged = True
        self.latest = maps
        self.score = score(output) if self._scores else None

    def _remember(self, visit: Visit, maps: Tensor) -> None:
        keys, view = visit.keys, visit.view
        if visit.remember is not None:
            rows = [row for row, kept in enumerate(visit.remember) if kept]
            keys, maps = tuple(keys[row] for row in rows), maps[rows]
            view = None if view is None else View.trusted(view.theta[rows])
        self._store.write(keys, maps, view, first=not visit.judged)

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
