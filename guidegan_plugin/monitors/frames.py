"""What a monitor shows of one visit: small pictures and numbers, taken off the device without waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from guidegan_plugin.guidance.memory.statistics import entropy
from guidegan_plugin.guidance.reports import StepReport

SIDE = 256  # larger pictures are shrunk, so that a frame is small whatever the training's images are

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """What is shown of one visit, or of the end of an epoch, which has no pictures.

    Attributes:
        pair: Name of the pair.
        step: Visits of the pair so far.
        caption: Key of the image shown, the first of its batch.
        pictures: ``input``, ``attention``, ``blended`` if it can be shown, and ``output``, each ``(H, W, 3)``, uint8.
        curves: New points by curve and trace, such as ``curves["entropy"]["A"]``: ``entropy`` of the maps in [0, 1],
            ``age`` of those that were remembered and the ``score`` where D gave one, each traced by its pair, and the
            ``losses`` by their names.
    """

    pair: str
    step: int
    caption: str
    pictures: Mapping[str, Picture]
    curves: Mapping[str, Mapping[str, float]]


@torch.no_grad()
def take(
    report: StepReport, with_losses: bool = True, value_range: tuple[float, float] = (-1.0, 1.0)
) -> Callable[[], Frame]:
    """Start copying what a monitor shows of a visit; nothing here waits for the device.

    Args:
        report: The visit; its tensors may change afterwards.
        with_losses: Whether its losses are to be shown; all pairs of a host report the same ones.
        value_range: Of the training's images; what is outside is clipped.

    Returns:
        Waits for the copies and gives the frame; meant for a thread that may wait.
    """
    curves = {
        curve: {trace: _copy(number) if isinstance(number, Tensor) else number for trace, number in points.items()}
        for curve, points in _curves(report, with_losses).items()
    }
    pictures = {name: _copy(picture) for name, picture in _pictures(report, value_range).items()}
    copied = None
    if report.maps.is_cuda:
        copied = torch.cuda.Event(blocking=True)  # its waiting thread sleeps
        copied.record(torch.cuda.current_stream(report.maps.device))
    return partial(_frame, report.pair, report.step, next(iter(report.keys), ""), pictures, curves, copied)


def _frame(
    pair: str,
    step: int,
    caption: str,
    pictures: Mapping[str, Tensor],
    curves: Mapping[str, Mapping[str, Tensor | float]],
    copied: torch.cuda.Event | None,
) -> Frame:
    if copied is not None:
        copied.synchronize()
    numbers = {curve: {trace: float(number) for trace, number in points.items()} for curve, points in curves.items()}
    return Frame(pair, step, caption, {name: picture.numpy() for name, picture in pictures.items()}, numbers)


def _pictures(report: StepReport, value_range: tuple[float, float]) -> dict[str, Tensor]:
    """Pictures of the first image of a visit, each ``(H, W, 3)``, uint8, on the report's device."""
    image, output = _small(report.images[:1]), _small(report.output[:1])
    seen, given = (
        functional.interpolate(maps[:1].float(), image.shape[-2:], mode="bilinear", align_corners=False)
        for maps in (report.maps, report.blended)
    )
    blended = None if report.preview is None else report.preview(image, given, sum(value_range) / 2)
    return {
        "input": _bytes(image, value_range),
        "attention": _bytes(seen, (0.0, 1.0)),
        **({} if blended is None else {"blended": _bytes(blended, value_range)}),
        "output": _bytes(output, value_range),
    }


def _curves(report: StepReport, with_losses: bool) -> dict[str, dict[str, Tensor | float]]:
    """The points a visit adds to curves, as :class:`Frame` has them; tensors are 0-dim."""
    curves: dict[str, dict[str, Tensor | float]] = {"entropy": {report.pair: entropy(report.maps).mean()}}
    ages = [age for age in report.ages if age is not None]
    if ages:
        curves["age"] = {report.pair: sum(ages) / len(ages)}
    if report.score is not None:
        curves["score"] = {report.pair: report.score}
    losses = {name: loss for name, value in report.losses.items() if (loss := _loss(value)) is not None}
    if with_losses and losses:
        curves["losses"] = losses
    return curves


def _loss(value: object) -> Tensor | float | None:
    """A host's loss as one number; a list of them, None or text is none, whatever its type promised."""
    if isinstance(value, Tensor):
        return None if value.is_complex() or value.numel() == 0 else value.detach().float().mean()
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number is caught below
    except (TypeError, ValueError):
        return None


def _small(images: Tensor) -> Tensor:
    """At most ``SIDE`` pixels high and wide, float32."""
    scale = SIDE / max(images.shape[-2:])
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return functional.interpolate(images.float(), size, mode="area") if scale < 1 else images.float()


def _bytes(images: Tensor, value_range: tuple[float, float]) -> Tensor:
    """The first image as a picture in colour; of other numbers of channels (labels, say) the first one is shown."""
    low, high = value_range
    image = images[0] if images.shape[1] == 3 else images[0, :1].expand(3, -1, -1)
    scaled = ((image - low) / (high - low)).nan_to_num().clamp(0, 1)
    return (scaled * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def _copy(tensor: Tensor) -> Tensor:
    """On the CPU, sooner or later, and nobody else's: from CUDA into pinned memory; only there one can wait later."""
    return tensor.detach().to("cpu", non_blocking=tensor.is_cuda, copy=True)
