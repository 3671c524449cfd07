"""What a monitor shows of one visit: small pictures and numbers, taken off the device without waiting for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from guidegan_plugin.guidance.memory.statistics import entropy
from guidegan_plugin.guidance.reports import StepReport

SIDE = 256  # larger pictures are shrunk, so that a frame is small whatever the training's images are

Picture = npt.NDArray[np.uint8]
Curves = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Frame:
    """What is shown of one visit, or of the end of an epoch, which has no pictures.

    Attributes:
        pair: Name of the pair.
        step: Visits of the pair so far.
        caption: Key of the image shown, the first of its batch.
        pictures: ``input``, ``attention``, ``blended`` if it can be shown, and ``output``, each ``(H, W, 3)``, uint8.
        curves: New points by curve and trace, such as ``curves["entropy"]["A"]``.
    """

    pair: str
    step: int
    caption: str
    pictures: Mapping[str, Picture]
    curves: Curves


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A frame on its way from the device.

    Attributes:
        pair: Name of the pair.
        step: Visits of the pair so far.
        caption: Key of the image shown.
        pictures: By name, ``(3, H, W)``, uint8, on the CPU once ``ready``.
        numbers: By curve and trace; tensors are 0-dim, on the CPU once ``ready``.
        ready: Done when the copies are; None where there was nothing to wait for.
    """

    pair: str
    step: int
    caption: str
    pictures: Mapping[str, Tensor]
    numbers: Mapping[tuple[str, str], Tensor | float]
    ready: torch.cuda.Event | None

    def frame(self) -> Frame:
        """Wait for the copies; meant for a thread that may."""
        if self.ready is not None:
            self.ready.synchronize()
        curves: dict[str, dict[str, float]] = {}
        for (curve, trace), number in self.numbers.items():
            curves.setdefault(curve, {})[trace] = float(number)
        pictures = {name: picture.permute(1, 2, 0).contiguous().numpy() for name, picture in self.pictures.items()}
        return Frame(self.pair, self.step, self.caption, pictures, curves)


@torch.no_grad()
def take(report: StepReport, with_losses: bool = True, value_range: tuple[float, float] = (-1.0, 1.0)) -> Snapshot:
    """Start copying what a monitor shows of a visit; nothing here waits for the device.

    Args:
        report: The visit; its tensors may change afterwards.
        with_losses: Whether its losses are to be shown; all pairs of a host report the same ones.
        value_range: Of the training's images; what is outside is clipped.
    """
    numbers = numbers_of(report, with_losses)
    copies = {point: _copy(number) if isinstance(number, Tensor) else number for point, number in numbers.items()}
    pictures = {name: _copy(picture) for name, picture in pictures_of(report, value_range).items()}
    ready = None
    if report.maps.is_cuda:
        ready = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # its waiting thread sleeps
        ready.record(torch.cuda.current_stream(report.maps.device))
    return Snapshot(report.pair, report.step, next(iter(report.keys), ""), pictures, copies, ready)


def pictures_of(report: StepReport, value_range: tuple[float, float] = (-1.0, 1.0)) -> dict[str, Tensor]:
    """Pictures of the first image of a visit.

    ``blended`` shows the input together with its map under a bilinear T, by the concatenation. Of ``rhp``, it is half
    of equation (4), ``x' / 2 = (T(A) + 1) / 2 * x``: the input itself where the map is 1, with half its contrast where
    the map is 0. Of ``alpha``, equation (5), it is the input with the map as its opacity, over gray. There is none of a
    concatenation that is not known here.

    Args:
        report: The visit.
        value_range: Of the training's images.

    Returns:
        ``input``, ``attention``, ``blended`` if it can be shown, and ``output``, each ``(3, H, W)``, uint8, on the
        report's device.
    """
    image, output = _small(report.images[:1]), _small(report.output[:1])
    size = (image.shape[-2], image.shape[-1])
    seen, given = (_resized(maps[:1].float(), size) for maps in (report.maps, report.blended))
    blended = _blended(image, given, report.concat, sum(value_range) / 2)
    return {
        "input": _bytes(image, value_range),
        "attention": _bytes(seen, (0.0, 1.0)),
        **({} if blended is None else {"blended": _bytes(blended, value_range)}),
        "output": _bytes(output, value_range),
    }


def numbers_of(report: StepReport, with_losses: bool = True) -> dict[tuple[str, str], Tensor | float]:
    """The points a visit adds to curves.

    Returns:
        By curve and trace: ``entropy`` of the maps in [0, 1], ``age`` of those that were remembered, the ``score``
        where D gave one, each traced by its pair, and the ``losses`` by their names, the mean of one with several
        values; what is no number is left out. Tensors are 0-dim.
    """
    points: dict[tuple[str, str], Tensor | float] = {("entropy", report.pair): entropy(report.maps).mean()}
    ages = [age for age in report.ages if age is not None]
    if ages:
        points["age", report.pair] = sum(ages) / len(ages)
    if report.score is not None:
        points["score", report.pair] = report.score
    if with_losses:
        points |= {
            ("losses", name): loss for name, value in report.losses.items() if (loss := _loss(value)) is not None
        }
    return points


def _loss(value: object) -> Tensor | float | None:
    """A host's loss as one number; a list of them, None or text is none, whatever its type promised."""
    if isinstance(value, Tensor):
        return None if value.is_complex() or value.numel() == 0 else value.detach().float().mean()
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number is caught below
    except (TypeError, ValueError):
        return None


def _blended(image: Tensor, maps: Tensor, concat: str, gray: float) -> Tensor | None:
    """What concatenation makes of an image and its map, as far as a screen can show it."""
    if concat == "rhp":
        return (maps + 1) / 2 * image
    return maps * image + (1 - maps) * gray if concat == "alpha" else None


def _small(images: Tensor) -> Tensor:
    """At most ``SIDE`` pixels high and wide, float32."""
    scale = SIDE / max(images.shape[-2:])
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return functional.interpolate(images.float(), size, mode="area") if scale < 1 else images.float()


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def _bytes(images: Tensor, value_range: tuple[float, float]) -> Tensor:
    """The first image as a picture in colour; of other numbers of channels (labels, say) the first one is shown."""
    low, high = value_range
    image = images[0] if images.shape[1] == 3 else images[0, :1].expand(3, -1, -1)
    scaled = ((image - low) / (high - low)).nan_to_num().clamp(0, 1)
    return (scaled * 255).round().to(torch.uint8)


def _copy(tensor: Tensor) -> Tensor:
    """On the CPU, sooner or later, and nobody else's: from CUDA into pinned memory; only there one can wait later."""
    return tensor.detach().to("cpu", non_blocking=tensor.is_cuda, copy=True)
