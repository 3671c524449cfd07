"""``--guide_refine K``: a host's model translates its test images again, guided by where D looks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import nn

from guidegan_plugin.errors import ConfigError, HostError
from guidegan_plugin.guidance.attention.signals import score
from guidegan_plugin.guidance.calls.extra_pass import unnoticed
from guidegan_plugin.guidance.test_time.refinement import Refinement
from guidegan_plugin.hosts.junyanz.guides import HostGuides
from guidegan_plugin.hosts.junyanz.visuals import AttentionVisuals

_log = logging.getLogger(__name__)


class HostRefinement:
    """Finds, before the host's own ``test()``, the maps with which a batch comes out best.

    Args:
        guides: The guides of a model.
        visuals: Whose discriminators are asked.

    Raises:
        ConfigError: If the number of passes is negative, or there is no attention to refine with.
    """

    def __init__(self, guides: HostGuides, visuals: AttentionVisuals) -> None:
        self._guides, self._visuals, self._model = guides, visuals, guides.model
        self._passes: int = 0 if self._model.isTrain else self._model.opt.guide_refine
        if self._passes < 0:
            raise ConfigError(f"refine: expected passes from 0, found {self._passes}; change --guide_refine")
        if self._passes and not guides.active:
            raise ConfigError(
                "refinement translates again with attention maps and attention=none makes none; "
                "change --guide_refine or --guide_attention"
            )
        if self._passes and any(guide.concatenation.weighs for guide in guides.guides.values()):
            raise ConfigError(
                f"refinement translates again with other maps in the input, which concat={guides.config.concat} leaves "
                "alone; leave out --guide_refine"
            )

    def find(self, translate: Callable[[], object] | None = None) -> None:
        """Translate the batch under way until no pair's score rises, and leave each pair its best maps.

        Args:
            translate: Translates it once, as the host's test does; by default the model's ``forward``.

        The host's forward comes after this; it is to draw the same random numbers (dropout) as every pass did, since
        otherwise it would make another output than the one that was kept.
        """
        if not self._passes:
            return
        refinements = {pair.name: Refinement(self._passes) for pair in self._guides.pairs}
        while not all(refinement.done for refinement in refinements.values()):
            self._translate(translate or self._model.forward)
            for pair in self._guides.pairs:
                refinement, visit = refinements[pair.name], self._guides.guides[pair.name].binding.current(pair.name)
                asked = None if refinement.done else self._visuals.ask(pair)
                if asked is None or visit is None:  # a pair whose generator this forward does not call
                    refinement.done = True
                    continue
                found = score(asked[0])
                if found is None:
                    raise HostError(f"{pair.discriminator} answers with no tensor to rise; leave out --guide_refine")
                refinement.judge(float(found), asked[1])
                visit.refined = refinement.maps
        self._report(refinements)

    def _translate(self, translate: Callable[[], object]) -> None:
        generators = [self._guides.network(place.path) for pair in self._guides.pairs for place in pair.stages]
        others = [value for value in vars(self._model).values() if isinstance(value, nn.Module)]  # an encoder, T
        with torch.no_grad(), ExitStack() as stack:
            for network in {*generators, *others}:
                stack.enter_context(unnoticed(network))
            translate()

    def _report(self, refinements: dict[str, Refinement]) -> None:
        self._model.refine_scores = {name: refinement.scores for name, refinement in refinements.items()}
        for name, refinement in refinements.items():
            visit = self._guides.guides[name].binding.current(name)
            if visit is not None and refinement.scores:
                # A warning, since that is what the command line shows and who asks for passes wants to know.
                _log.warning(
                    "pair %s, %s: score of the discriminator %s; kept translation %d",
                    name,
                    ", ".join(visit.keys),
                    " -> ".join(f"{value:.4f}" for value in refinement.scores),
                    refinement.kept + 1,
                )
