"""What monitors hear of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from guidegan_plugin.guidance.calls.attachment import Attachment
from guidegan_plugin.guidance.calls.binding import Visit
from guidegan_plugin.guidance.calls.judgement import Judgement
from guidegan_plugin.guidance.calls.unguided import UnguidedWatch, warn_of_backward
from guidegan_plugin.guidance.collapse import CollapseWatch
from guidegan_plugin.guidance.concatenation.base import Concatenation

Losses = Callable[[], Mapping[str, Tensor | float]]


@dataclass(frozen=True, eq=False)
class StepReport:
    """One finished visit of one pair; tensors are detached, on their device, and must not be written to.

    Attributes:
        pair: Name of the pair.
        step: Judged visits of the pair, from 1; a resumed training counts on.
        keys: One key per image.
        images: Source images ``(N, C, H, W)``.
        maps: What the discriminator looked at in this visit, ``(N, 1, h, w)``, float32 in [0, 1]; ones for an image
            whose fake was not judged.
        blended: Maps that went into the generator, ``(N, 1, h, w)``, float32 in [0, 1].
        output: What the generator made, ``(N, C', H, W)``.
        ages: How many batches ago the map blended for each image was written, None at an image's first visit; none
            where nothing is stored.
        score: How real D finds the output: the mean of its prediction, one value, float32.
        losses: The host's losses by name, one value each; none where the host does not say.
        concat: Name of the concatenation that blended them.
        preview: How that concatenation shows the blended input (``Concatenation.preview``); None where nobody says.
    """

    pair: str
    step: int
    keys: tuple[str, ...]
    images: Tensor
    maps: Tensor
    blended: Tensor
    output: Tensor
    ages: tuple[int | None, ...] = ()
    score: Tensor | None = None
    losses: Mapping[str, Tensor | float] = field(default_factory=dict)
    concat: str = "rhp"
    preview: Callable[[Tensor, Tensor, float], Tensor | None] | None = None


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of one pair.

    Attributes:
        pair: Name of the pair.
        epoch: Epochs of the pair since it was attached, from 1.
        statistics: As ``Guide.statistics()``.
    """

    pair: str
    epoch: int
    statistics: Mapping[str, float]


class Reporter:
    """Counts a pair's steps and epochs, reports them where somebody listens, and warns of what goes wrong silently.

    Args:
        pair: Name of the pair.
        on_step: Called with a report when a visit is over; None where nobody listens.
        on_epoch: Called with a report when an epoch is over; likewise.
        losses: Says what the host's losses are; None where nobody does.
        concatenation: The pair's.
        strict: Whether a pair that is not guided is an error in place of a warning.

    Attributes:
        watch: Counts visits, and notices those that are not guided.
        steps: Judged visits that are over; a resumed training sets what its checkpoint says.
    """

    def __init__(
        self,
        pair: str,
        on_step: Callable[[StepReport], None] | None,
        on_epoch: Callable[[EpochReport], None] | None,
        losses: Losses | None,
        concatenation: Concatenation,
        strict: bool,
    ) -> None:
        self._pair, self._on_step, self._on_epoch, self._losses = pair, on_step, on_epoch, losses or dict
        self._concatenation = concatenation
        self.steps = self._epochs = 0
        self.watch = UnguidedWatch(pair, strict)
        self._images: Tensor | None = None
        self._collapse = CollapseWatch(pair)

    @property
    def listened(self) -> bool:
        """Whether somebody hears of steps."""
        return self._on_step is not None

    def step(
        self,
        visit: Visit | None,
        attachment: Attachment,
        newest: Judgement | None,
        output: Tensor | None,
        images: Tensor,
    ) -> None:
        """A visit is over, and the next one begins.

        Args:
            visit: What is over; without a judgement there is nothing to tell.
            attachment: The pair's.
            newest: The pair's newest judgement.
            output: What the generator made of the visit, if somebody holds it still.
            images: ``(N, C, H, W)`` of the visit that begins, held for its report, since a host lets go of its batch
                before that.

        Raises:
            GuideError: If guidance is strict, and the pair is not guided.
        """
        if visit is not None and visit.reported:  # at a bind that was refused
            visit = None
        self.watch.over(visit, attachment, images)
        if visit is not None:
            visit.reported = True
        if visit is not None and visit.judged and newest is not None:
            self.steps += 1
            if newest.judged is None:
                self._collapse.see(newest.maps, attachment)
            elif newest.judged:
                self._collapse.see(torch.stack([newest.maps[row] for row in newest.judged]), attachment)
            if self._on_step is not None and self._images is not None and visit.maps is not None and output is not None:
                self._on_step(self._report(self._images, visit, visit.maps, newest, output))
        self._images = images if self._on_step is not None else None

    def _report(self, images: Tensor, visit: Visit, blended: Tensor, newest: Judgement, output: Tensor) -> StepReport:
        return StepReport(
            self._pair,
            self.steps,
            visit.keys,
            images,
            newest.maps,
            blended.detach(),
            output.detach(),
            visit.ages,
            newest.score,
            self._losses(),
            self._concatenation.name,
            self._concatenation.preview,
        )

    def epoch(
        self, statistics: Callable[[], Mapping[str, float]], attachment: Attachment, newest: Judgement | None
    ) -> None:
        """An epoch is over; its statistics are made only where somebody listens."""
        self._epochs += 1
        self._collapse.end_epoch(None if newest is None else newest.maps, attachment)
        if self._on_epoch is not None:
            self._on_epoch(EpochReport(self._pair, self._epochs, statistics()))

    def detach(self, visit: Visit | None) -> None:
        """The pair leaves the training, its last visit under way."""
        if self._concatenation.adapted:
            warn_of_backward(visit)
