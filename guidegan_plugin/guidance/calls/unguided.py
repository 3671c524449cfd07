"""Notices visits that were not guided, and says why: from what was seen of them, never from what should be."""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass

from torch import Tensor, nn

from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.calls.attachment import Attachment
from guidegan_plugin.guidance.calls.binding import Visit
from guidegan_plugin.guidance.calls.fake_tracking import awaits_backward
from guidegan_plugin.guidance.calls.lineage import is_part
from guidegan_plugin.guidance.calls.seen import Stranger
from guidegan_plugin.guidance.layers import unwrap

_log = logging.getLogger(__name__)

_AT_FIRST = 3  # updates of a generator without a judgement before a warning
_LATER = 20  # the same, once visits were guided


@dataclass
class Counts:
    """How many visits of a pair came how far.

    Attributes:
        bound: Batches bound.
        read: Those whose images the generator translated, a map blended in.
        judged: Those whose fake the discriminator was seen to judge.
    """

    bound: int = 0
    read: int = 0
    judged: int = 0


class UnguidedWatch:
    """Says once that a pair is not guided; a batch without an update of the generator, or a test, is no reason to.

    Args:
        pair: Name of the pair.
        strict: Whether to raise in place of a warning.

    Attributes:
        counts: How many visits came how far.
    """

    def __init__(self, pair: str, strict: bool = False) -> None:
        self._pair, self._strict = pair, strict
        self.counts = Counts()
        self._missed, self._called = 0, False
        self._weights: list[weakref.ReferenceType[nn.Parameter]] = []
        self._state: list[object] | None = None

    def over(self, visit: Visit | None, attachment: Attachment, images: Tensor) -> None:
        """A visit is over, and the next begins.

        Args:
            visit: What is over.
            attachment: The pair's.
            images: ``(N, C, H, W)`` of the visit that begins.

        Raises:
            GuideError: If guidance is strict, and the generator is trained without it.
        """
        if not self._weights or self._weights[0]() is None:
            self._weights = _own_weights(attachment)
        state: list[object] = []
        for there in self._weights:
            if (weight := there()) is not None:
                # What an update changes: a weight's version, and its gradient, since a fused step counts none.
                gradient = weight.grad
                state += (weight._version, id(gradient), getattr(gradient, "_version", 0))
        updated, self._state = self._state not in (None, state), state
        if visit is None or visit.seen.sample:
            return
        self.counts.bound += 1
        self.counts.read += visit.maps is not None
        self.counts.judged += visit.judged
        if visit.judged and self.counts.judged == _AT_FIRST and (idle := attachment.idle_judges):
            _log.warning(
                "pair %s: in %d batches %s, one of its discriminators, judged nothing that the generator made, so "
                "the maps are those of the others; change discriminator= (--guide_pairs)",
                *(self._pair, _AT_FIRST, idle[0]),
            )
        self._called |= visit.seen.generated > 0
        # A network that is neither called nor updated is not the one that is trained.
        tested = visit.tested and not visit.trained
        judged = visit.judged
        if tested and visit.seen.in_eval and updated:  # trained on what a test is given
            tested = judged = False
        if judged or tested or (self._called and not updated):
            self._missed = 0 if judged else self._missed
            return
        self._missed += 1
        if self._missed == (_LATER if self.counts.read and self.counts.judged else _AT_FIRST):
            self._say(visit, "updates of the generator" if updated else "batches", images)

    def _say(self, visit: Visit, of_what: str, images: Tensor) -> None:
        message = f"pair {self._pair} is not guided: in {self._missed} {of_what} {cause(visit, images)}"
        if self._strict:
            raise GuideError(f"{message} (strict=True, --guide_strict)")
        _log.warning("%s", message)


def cause(visit: Visit, following: Tensor | None = None) -> str:
    """Why a visit was not guided, as the end of a sentence, with a cure.

    Args:
        visit: The visit.
        following: The images ``(N, C, H, W)`` that are bound next, if any are.
    """
    seen = visit.seen
    if seen.in_eval and not visit.trained:
        return (
            "it was in eval mode, which makes a call a test, though gradients were wanted; call its train() before it "
            "is trained on, or draw samples under torch.no_grad()"
        )
    if visit.maps is None and not seen.generated:
        return (
            "nothing called the generator where it is met; change generator= (--guide_pairs) to what is called; a "
            "script of your own that wrapped (DataParallel) or compiled it since calls guide.follow(G, D)"
        )
    if visit.maps is None and _is_late(seen.stranger, following):
        return "it was called with a batch that was bound only afterwards; call bind(images, keys) before the generator"
    if visit.maps is None:
        return (
            f"it was called with {_described(seen.stranger)}, neither the bound batch {tuple(visit.shape)} nor a part "
            "or copy of it; bind what the generator is called with, after the batch's last change and before that call "
            "(change source=, --guide_pairs)"
        )
    if visit.codes and not visit.fakes:
        said = (
            f"the exit of the generator was given the code only after the operation {seen.between!r}"
            if seen.between
            else "nothing called the exit of the generator with what its entry returned"
        )
        return f"{said}; name what is given the code: change generator= (entry..exit, --guide_pairs)"
    if not seen.judgements:
        return (
            "nothing called the discriminator with what the generator made; name the one that judges it: change "
            "discriminator= (--guide_pairs); a script of your own that replaced or wrapped it since calls "
            "guide.follow(G, D)"
        )
    if seen.answered:
        return f"the discriminator {seen.answered}; change layer (--guide_layer)"
    if seen.obstacle and seen.affine:
        return (
            f"the discriminator judged the output only after the operation {seen.obstacle!r}, behind which "
            "nothing tells where its pixels are; name the discriminator that is given the output itself: change "
            "discriminator= (--guide_pairs)"
        )
    if seen.obstacle:
        return (
            f"the discriminator judged the output only after the operation {seen.obstacle!r}; if that leaves every "
            "pixel about where it was (noise, rescaling, augmentation, resizing), set judged='affine' "
            "(--guide_judged affine)"
        )
    return (
        "the discriminator was called with a gradient, but never with what the generator made of the bound batch; "
        "change discriminator= (--guide_pairs)"
    )


def _is_late(stranger: Stranger | None, following: Tensor | None) -> bool:
    """Whether the generator was called with images that were bound only then."""
    images = None if stranger is None else stranger[3]()
    return images is not None and following is not None and is_part(images, following)


def warn_of_backward(visit: Visit | None) -> None:
    """Warn where a generator that was widened is left while ``backward()`` through its newest fake may still come."""
    living = [image for fake, _ in visit.fakes if (image := fake()) is not None] if visit is not None else []
    if visit is not None and any(map(awaits_backward, living)):
        _log.warning(
            "pair %s: detached between the generator's call and backward(), which fails now that the generator's first "
            "convolution is what it was; call backward() before detach()",
            visit.pair,
        )


def _described(stranger: Stranger | None) -> str:
    if stranger is None:
        return "other images"
    shape, dtype, device, _ = stranger
    return f"a tensor {tuple(shape)} of {str(dtype).removeprefix('torch.')} on {device}"


def _own_weights(attachment: Attachment) -> list[weakref.ReferenceType[nn.Parameter]]:
    """The weights of a generator that is trained, each held weakly; not those that its discriminators have, too.

    All of them, since a network may have weights that no call uses.
    """
    theirs = {id(one) for judge in attachment.discriminators for one in judge.parameters()}
    own = [one for one in unwrap(attachment.generator).parameters() if one.requires_grad]
    return [weakref.ref(one) for one in own if id(one) not in theirs]
