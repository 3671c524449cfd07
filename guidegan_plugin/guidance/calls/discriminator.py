"""The tap on a discriminator: takes the maps of the one call that judges the fresh fake."""

from __future__ import annotations

import logging
import threading
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.signals import score
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.call_site import CallSiteHandle, Method, add_call_site, arounds_of
from guidegan_plugin.guidance.calls.extra_pass import unnoticed
from guidegan_plugin.guidance.calls.fake_tracking import fresh_fake, obstacle
from guidegan_plugin.guidance.calls.gradient_weights import GradientWeights, WeighedInput, WeightsOf
from guidegan_plugin.guidance.calls.graph_walk import AFFINE, NOTHING, Walk
from guidegan_plugin.guidance.calls.judgement import Judgement
from guidegan_plugin.guidance.calls.row_maps import turned
from guidegan_plugin.guidance.calls.rows import Made
from guidegan_plugin.guidance.calls.stages import Stage
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View

_log = logging.getLogger(__name__)


class DiscriminatorTap:
    """The call site on one discriminator, and the mechanism's hooks inside of it.

    Args:
        pair: Name of the pair.
        binding: Knows the visit under way and what the generator made of it.
        store: Where maps go.
        attention: The mechanism that reads them.
        scores: Whether somebody wants D's score of each fake.
        affine: Whether D may be given the fake computed upon, too: with noise, rescaled, augmented, resized.
        mean: Whether the maps of an image judged several times in a visit are averaged; else the last counts.
        weights_of: Makes weights of a judgement's gradient of its maps; None where the gradient is left alone.

    Attributes:
        has_judged: Whether it was seen to judge a fake.
    """

    def __init__(
        self,
        pair: str,
        binding: SourceBinding,
        store: AttentionStore,
        attention: Attention,
        scores: bool = False,
        affine: bool = False,
        mean: bool = False,
        weights_of: WeightsOf | None = None,
    ) -> None:
        self._pair, self._binding, self._store, self._attention = pair, binding, store, attention
        self._scores, self._affine, self._mean = scores, affine, mean
        self._weights = None if weights_of is None else GradientWeights(pair, weights_of)
        self._looking, self._method = False, "forward"
        self.has_judged = self._warned = False
        # A discriminator called in two threads at once would be read in both.
        self._calls = threading.RLock()

    def attach(self, discriminator: Stage) -> list[RemovableHandle | CallSiteHandle]:
        """Meet the discriminator where it is called; if something cannot be, nothing stays.

        Raises:
            ConfigError: If the discriminator is guided already, or lacks the method or the mechanism's layer.
        """
        self._warn_of_another(discriminator)
        self._method = discriminator.method
        placed = add_call_site(discriminator.module, discriminator.method, self._called, self._binding)
        try:
            return [placed, *self._attention.attach(discriminator.module)]
        except BaseException:
            placed.remove()
            raise

    def _warn_of_another(self, discriminator: Stage) -> None:
        """Say once that two pairs change one discriminator's answer, each by a network of its own."""
        met = [getattr(around, "__self__", None) for around in arounds_of(discriminator.module)]
        other = next((tap for tap in met if isinstance(tap, DiscriminatorTap) and tap is not self), None)
        changes = self._attention.changes_prediction and other is not None and other._attention.changes_prediction
        if changes and other is not None and not self._warned:
            self._warned = True
            _log.warning(
                "pairs %s and %s have one discriminator, and attention=%s changes its answer for each, in every "
                "call; change attention (--guide_attention pha), or give each pair its own",
                other._pair,
                self._pair,
                self._attention.name,
            )

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
        judge = discriminator if self._method == "forward" else getattr(discriminator, self._method)
        if not self._attention.needs_gradient:
            with torch.no_grad():
                prediction = judge(images)
            return prediction, self._attention.take_maps(prediction)
        # D's parameters may be frozen, and the caller may want no gradient: a copy of the images carries one.
        with torch.inference_mode(False), torch.enable_grad():
            prediction = judge(images.detach().clone().requires_grad_())
            maps = self._attention.take_maps(prediction)
        return tree_map_only(Tensor, Tensor.detach, prediction), maps

    def _called(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of D: where it judges the fresh fake of the visit under way, its maps are remembered."""
        if self._binding.lineage.watching:
            self._binding.lineage.pause()
        with self._calls:
            if self._attention.listening:  # a call that raised has left something behind
                self._attention.forget()
            if self._attention.enters:
                self._attention.enter(module)
            visit = None if self._looking else self._binding.visits.get(self._pair)
            made, fakes, weighed = None, list[Tensor](), list[WeighedInput]()
            if visit is not None and (len(args) != 1 or kwargs or getattr(args[0], "requires_grad", True)):
                made, fakes = self._judged(visit, args, kwargs)
            self._attention.listening = self._looking or made is not None
            if self._weights is not None:
                weighed = self._weights.given_for(fakes, args, kwargs)
                for one in weighed:
                    args, kwargs = one.put_into(args, kwargs)
            output = method(*args, **kwargs)
            if visit is not None and made is not None:
                self._attention.listening = False
                self._take(visit, made, output, weighed)
            return output

    def _judged(self, visit: Visit, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Made | None, list[Tensor]]:
        """The fresh fake of the visit under way among D's arguments, nested in any way: what it is, and itself.

        Where gradients are weighed, itself at every place and in every size in which D is given it.
        """
        if visit.unmarked:
            visit.mark_late()
        alone, walks = len(args) == 1 and not kwargs and isinstance(args[0], Tensor), list[Walk]()
        upon = AFFINE if self._affine else NOTHING
        found, fakes, others = None, list[Tensor](), list[Tensor]()
        for images in args if alone else tree_leaves((args, kwargs)):
            if isinstance(images, Tensor) and images.requires_grad:
                made = fresh_fake(images, self._affine, visit, walks) or visit.made(images)
                if made is not None and made.visit is visit:
                    if alone or self._weights is None:
                        return made, [images]
                    found = found or made
                    (fakes if made.rows == found.rows else others).append(images)
                    continue
                others.append(images)
                visit.seen.judgements += 1
                if made is None and not (visit.seen.obstacle or visit.judged):
                    visit.seen.obstacle = obstacle(images, upon=upon) or ""
                    visit.seen.affine = self._affine
        if found is not None and self._weights is not None:
            self._weights.see_others(others, upon)
        return found, fakes

    def _take(self, visit: Visit, made: Made, output: object, weighed: list[WeighedInput]) -> None:
        """Remember the maps of a judgement."""
        maps = self._attention.take_maps(output)
        if maps is None or len(maps) != len(made.rows):
            found = "no map" if maps is None else f"{len(maps)} maps"
            visit.seen.judgements += 1
            visit.seen.answered = f"gave {found} for {len(made.rows)} images"
            return
        if weighed and self._weights is not None:
            self._weights.weigh(weighed, maps, [row is not None and row.visit is visit for row in made.rows], output)
        binding, judged = self._binding, None
        if made.rows is not visit.rows and made.rows != visit.rows:
            maps, judged = _in_order(visit, made, maps, binding.newest.get(self._pair))
        if made.rows is visit.rows and not visit.judgements and visit.remember is None:
            # The whole batch for the first time, as nearly always.
            if made.keys:
                places = zip(range(len(maps)), made.keys, strict=True)
                visit.judgements.update(zip(places, torch.split(maps, 1), strict=True))
                self._store.write(made.keys, maps, visit.view)
        elif made.keys:
            self._remember(visit, made, maps)
        visit.judged = self.has_judged = True
        binding.newest[self._pair] = Judgement(made, maps, score(output) if self._scores else None, judged)
        if self._pair in binding.calls:
            binding.calls[self._pair].add(made.call)
        else:
            binding.calls[self._pair] = {made.call}

    def _remember(self, visit: Visit, made: Made, maps: Tensor) -> None:
        """Write the maps of images whose fakes were judged; those judged before are brought up to date."""
        rows = sorted(set(made.rows_of(visit).values()))
        rows = [row for row in rows if visit.remember is None or visit.remember[row]]
        again = [row for row in rows if (row, made.keys[row]) in visit.judgements]
        maps = maps.clone()
        for row in rows:
            place = row, made.keys[row]
            before = [_as_large(visit.judgements[place], maps)] if self._mean and row in again else []
            visit.judgements[place] = torch.cat([*before, maps[row : row + 1]])
            maps[row] = visit.judgements[place].mean(0)
        self._write(visit, made.keys, [row for row in rows if row not in again], maps, first=True)
        self._write(visit, made.keys, again, maps, first=False)

    def _write(self, visit: Visit, keys: tuple[str, ...], rows: list[int], maps: Tensor, first: bool) -> None:
        view = visit.view
        if len(rows) < visit.shape[0]:
            keys, maps = tuple(keys[row] for row in rows), maps[rows]
            view = None if view is None else View.trusted(view.theta[rows])
        if keys:
            self._store.write(keys, maps, view, first=first)


def _in_order(
    visit: Visit, made: Made, maps: Tensor, before: Judgement | None
) -> tuple[Tensor, tuple[int, ...] | None]:
    """The maps of a visit's images in the order of their binding, in its frame, and which of them are judged by now.

    What was judged only before in the visit keeps its map; ones where D judged nothing.
    """
    places, count = made.rows_of(visit), visit.shape[0]
    judged = set(places.values())
    if before is not None and before.made.visit is visit:
        ordered = _as_large(before.maps, maps).clone()
        judged.update(range(count) if before.judged is None else before.judged)
    else:
        ordered = torch.ones_like(maps[:1]).expand(count, *maps.shape[1:]).clone()
    for place, index in places.items():
        row = made.rows[place]
        ordered[index] = turned(maps[place], "" if row is None else row.flips)
    return ordered, None if len(judged) == count else tuple(sorted(judged))


def _as_large(before: Tensor, maps: Tensor) -> Tensor:
    """Maps ``(n, 1, h, w)`` of another discriminator at the size of these maps."""
    if before.shape[-2:] == maps.shape[-2:]:
        return before
    return F.interpolate(before, maps.shape[-2:], mode="bilinear", align_corners=False)
