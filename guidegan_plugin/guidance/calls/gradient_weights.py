"""Weighs the gradient that comes back from one judgement, place by place."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.signals import predictions
from guidegan_plugin.guidance.calls.fake_tracking import obstacle
from guidegan_plugin.guidance.calls.lineage import is_part

_log = logging.getLogger(__name__)

WeightsOf = Callable[[Tensor, tuple[int, int]], Tensor]
"""From maps ``(N, 1, h, w)`` and a size to weights ``(N, 1, H, W)``."""

Given = tuple[tuple[Any, ...], dict[str, Any]]


def weights_by(weights_of: Callable[[Tensor], Tensor], transfer: nn.Module) -> WeightsOf:
    """From maps to weights: T, then what a concatenation says."""
    return lambda maps, size: weights_of(transfer(maps, size))


class GradientWeights:
    """Weighs what comes back from the judgements of one discriminator.

    Args:
        pair: Name of the pair.
        weights_of: Makes weights of maps.
    """

    def __init__(self, pair: str, weights_of: WeightsOf) -> None:
        self._pair, self._weights_of = pair, weights_of
        self._told: set[str] = set()
        # Fakes that were judged without a graph, and the weights that were found then.
        self._without_graph: list[tuple[weakref.ReferenceType[Tensor], Tensor]] = []

    def given_for(
        self, fakes: Sequence[Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> list[WeighedInput]:
        """What the discriminator is to be given in place of a fake.

        Args:
            fakes: What it is about to judge, in several sizes perhaps; none for any other call. A judgement without a
                graph is none when it is computed again, within the backward pass (reentrant activation checkpoint), and
                is known by its images.
            args: Of the call.
            kwargs: Of the call.

        Returns:
            One a fake; none where the gradient stays as it is.
        """
        if fakes:
            return [WeighedInput(fake, self._differentiated) for fake in fakes]
        given = list[WeighedInput]()
        if self._without_graph and torch._C._current_graph_task_id() != -1:
            for images in tree_leaves((args, kwargs)):
                if isinstance(images, Tensor) and images.is_leaf and images.requires_grad:
                    known = [weights for there, weights in self._without_graph if _is_same(images, there())]
                    given += [WeighedInput(images, self._differentiated, weights) for weights in known[:1]]
        return given

    def see_others(self, others: Sequence[Tensor], upon: frozenset[str]) -> None:
        """Say once that the discriminator is given the fake beside something that is computed from the fake, too.

        Args:
            others: What else has a gradient.
            upon: Operations upon values that are looked through.
        """
        if "others" in self._told or not (seen := [one for images in others if (one := obstacle(images, upon=upon))]):
            return
        self._told.add("others")
        cure = "; if that leaves every pixel about where it was, set judged='affine' (--guide_judged affine)"
        _log.warning(
            "pair %s: beside the fake, the discriminator is given what the operation %r made of the fake; what comes "
            "back through that is not weighed%s",
            *(self._pair, seen[0], "" if upon else cure),
        )

    def weigh(self, given: Sequence[WeighedInput], maps: Tensor, rows: Sequence[bool], answer: object) -> None:
        """The discriminator has judged, and so it is known where it looked.

        Args:
            given: What it was given in place of the fake.
            maps: ``(N, 1, h, w)``, in [0, 1], one a row of the fake.
            rows: Which of the rows are fakes that guide; the gradient of others stays.
            answer: What it answered.

        Raises:
            ConfigError: If it wrote over what it was given, which nothing is known of then.
        """
        if any(one.written_over for one in given):
            raise ConfigError(
                f"pair {self._pair}: the discriminator computes in place on the very images it is called with, so what "
                "comes back to them cannot be weighed; change its first layer to inplace=False, or concat "
                "(--guide_concat rhp)"
            )
        for one in given:
            weights = self._weights_of(maps.detach(), (one.images.shape[-2], one.images.shape[-1])).detach()
            if not all(rows):
                guides = torch.tensor(rows, device=weights.device).view(-1, 1, 1, 1)
                weights = torch.where(guides, weights, torch.ones_like(weights))
            one.weights = weights
        if not torch.is_grad_enabled():
            living = [(there, found) for there, found in self._without_graph if there() is not None]
            judged = [(weakref.ref(one.fake), one.weights) for one in given if one.weights is not None]
            self._without_graph = judged + living
        elif "answer" not in self._told:
            self._look_at(answer)

    def _look_at(self, answer: object) -> None:
        self._told.add("answer")
        leaves = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.requires_grad]
        if more := len(leaves) - len(predictions(answer)):
            _log.warning(
                "pair %s: the discriminator answers with %d tensors beside its prediction (features, classes); what "
                "losses of these send back through the same call is weighed, too",
                self._pair,
                more,
            )

    def _differentiated(self) -> None:
        if "penalty" not in self._told:
            self._told.add("penalty")
            _log.warning(
                "pair %s: the gradient of a judgement is differentiated itself (create_graph=True, as in a gradient "
                "penalty), so nothing that comes back from that judgement is weighed; for a penalty, judge "
                "fake.detach().requires_grad_() in a call of its own",
                self._pair,
            )


def _is_same(images: Tensor, judged: Tensor | None) -> bool:
    return judged is not None and len(images) == len(judged) and is_part(images, judged)


class WeighedInput:
    """What the discriminator is given in place of a fake: the same values, and a gradient that can be weighed.

    Only what comes back through this very call is weighed: other losses reach the fake elsewhere. A gradient that is
    to be differentiated itself is none that the generator learns from, and cannot be told from one later on: from then
    on everything that comes back stays as it is.

    Args:
        fake: ``(N, C, H, W)``, with a gradient.
        differentiated: Called when a gradient comes back that is to be differentiated itself.
        weights: ``(N, 1, H, W)``, where they are known already.

    Attributes:
        fake: As given.
        images: What the discriminator is given.
        weights: ``(N, 1, H, W)``; None as long as the gradient stays as it is.
    """

    def __init__(self, fake: Tensor, differentiated: Callable[[], None], weights: Tensor | None = None) -> None:
        self.fake, self.images, self.weights = fake, fake.view_as(fake), weights
        self._differentiated, self._version = differentiated, fake._version
        self.images.register_hook(self._weighed)

    def put_into(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given:
        """Arguments with these images where the fake stands."""
        given: Given = tree_map_only(Tensor, lambda one: self.images if one is self.fake else one, (args, kwargs))
        return given

    @property
    def written_over(self) -> bool:
        """Whether the images were computed upon in place."""
        return self.images._version != self._version

    def _weighed(self, gradient: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.weights = None
            self._differentiated()
        return gradient if self.weights is None else gradient * self.weights.to(gradient.dtype)
