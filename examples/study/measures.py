"""The figures of a report: their names, what they are exactly, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from settings import Study


@dataclass(frozen=True)
class Measure:
    """A figure of the report.

    Attributes:
        key: Its name in result files.
        title: What it is, exactly.
        better: "lower", "higher", or "" where neither is.
        digits: Behind the point.
    """

    key: str
    title: str
    better: str
    digits: int


MEASURES = {
    "kid": (
        Measure("kid_target", "KID x100 to the target domain's test images", "lower", 2),
        Measure("kid_mean", "mean KID x100, the average over target and source domain", "lower", 2),
    ),
    "domain": (Measure("target_share", "share of outputs that the classifier puts in the target domain", "higher", 3),),
    "change": (
        Measure(
            "background_change",
            "mean absolute difference of output and input (0 to 1) outside the object's region, 0: background kept, "
            "as by doing nothing",
            "lower",
            4,
        ),
        Measure(
            "object_change",
            "mean absolute difference of output and input (0 to 1) inside the object's region",
            "",
            4,
        ),
    ),
    "attention": (
        Measure(
            "pointing_game",
            "pointing game: share of attention maps on test outputs whose maximum is on the object",
            "higher",
            3,
        ),
        Measure("energy", "energy: share of an attention map's sum on the object", "higher", 3),
        Measure("auc", "AUC of an attention map against the object's region, 0.5: it says nothing", "higher", 3),
        Measure(
            "region_share",
            "share of the area that the object takes: pointing game and energy of a map that says nothing",
            "",
            3,
        ),
    ),
    "fcn": (
        Measure("per_pixel_accuracy", "FCN score, per-pixel accuracy", "higher", 3),
        Measure("per_class_accuracy", "FCN score, per-class accuracy", "higher", 3),
        Measure("class_iou", "FCN score, class IoU", "higher", 3),
    ),
}


def measures_of(study: Study) -> list[Measure]:
    """All figures of a study, in the order of its scores."""
    return [measure for score in study.scores for measure in MEASURES[score]]


def criterion(study: Study) -> Measure:
    """The figure that chooses the best epoch."""
    return MEASURES["kid"][0] if "kid" in study.scores else MEASURES["fcn"][2]
