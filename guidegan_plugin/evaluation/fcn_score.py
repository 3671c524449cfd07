"""FCN scores: how well the classes of translated images agree with their ground truth (the paper's appendix B).

Label to photo: a segmenter reads the translated photos. Photo to label: the translated label images are read by their
nearest palette colour. Either way pixels are counted, image by image, in one confusion matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from guidegan_plugin.datasets.palettes import Palette
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.evaluation import confusion
from guidegan_plugin.evaluation.label_images import (
    Labels,
    Pixels,
    exact_labels,
    nearest_labels,
    read_labels,
    read_pixels,
)
from guidegan_plugin.evaluation.optional_packages import optional, versions
from guidegan_plugin.evaluation.segmenter import Segmenter
from guidegan_plugin.evaluation.stems import images_by_stem, require
from guidegan_plugin.evaluation.user_modules import default_device
from guidegan_plugin.utils.ahead import ahead
from guidegan_plugin.utils.progress import progress

_AHEAD = 2  # images that are read before their turn; at Cityscapes' size one takes 32 MiB with its truth


@dataclass(frozen=True, eq=False)
class FcnResult:
    """The scores of one folder of translated images.

    Attributes:
        palette: Whose classes were told apart.
        images: How many images were scored.
        matrix: Pixels by truth (rows) and answer (columns), ``(C, C + 1)``, int64; the last column counts pixels
            painted as something that is not scored.
        segmenter: What read the photos, None where label images were read.
        segmenter_sha256: Of its weights file, or of its weights; None where there are none.
        resized: Whether images were brought to their truth's size.
        labels: What tables file the result under.
    """

    palette: Palette
    images: int
    matrix: confusion.Matrix
    segmenter: str | None = None
    segmenter_sha256: str | None = None
    resized: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> dict[str, confusion.ClassScores]:
        """Scores by the class's name."""
        return dict(zip(self.palette.names, confusion.class_scores(self.matrix), strict=True))

    @property
    def per_pixel_accuracy(self) -> float:
        """Share of all scored pixels that were recognised, in [0, 1]."""
        return confusion.per_pixel_accuracy(self.matrix)

    @property
    def per_class_accuracy(self) -> float:
        """Mean accuracy of the classes that occur in the truth, in [0, 1]."""
        return confusion.per_class_accuracy(self.matrix)

    @property
    def class_iou(self) -> float:
        """Mean IoU of the classes that occur in truth or answer, in [0, 1]."""
        return confusion.class_iou(self.matrix)

    def as_dict(self) -> dict[str, object]:
        """The result as its JSON file holds it."""
        return {
            "metric": "fcn",
            "per_pixel_accuracy": self.per_pixel_accuracy,
            "per_class_accuracy": self.per_class_accuracy,
            "class_iou": self.class_iou,
            "classes": {name: asdict(scores) for name, scores in self.classes.items()},
            "confusion": self.matrix.tolist(),
            "images": self.images,
            "palette": self.palette.name,
            "segmenter": self.segmenter,
            "segmenter_sha256": self.segmenter_sha256,
            "resized": self.resized,
            "labels": dict(self.labels),
            "versions": versions("torchmetrics"),
        }


def evaluate_fcn(
    pred: Path,
    truth: Path,
    palette: Palette,
    *,
    segmenter: nn.Module | None = None,
    suffix: str = "",
    truth_suffix: str = "",
    partial: bool = False,
    resize: bool = False,
    device: torch.device | str = "auto",
    labels: Mapping[str, str] | None = None,
) -> FcnResult:
    """Score a folder of translated images; memory does not grow with their number.

    Args:
        pred: The translated images: photos where there is a segmenter; otherwise label images, in colours (nearest
            colour counts) or, in mode L, as ids.
        truth: Their label images, as ids (mode L) or colours, by the same stems.
        palette: What ids and colours mean.
        segmenter: ``(1, 3, H, W)`` in [0, 1] to logits ``(1, C, H, W)`` or ``{"out": logits}``.
        suffix: What a translated image's name has after the stem, such as ``"_fake_B"``; others are passed over.
        truth_suffix: The same for the truth's, such as ``"_gtFine_labelIds"``.
        partial: Leave truths out that have no image; otherwise they are an error.
        resize: Bring images to their truth's size, photos bilinearly, labels by the nearest; otherwise another size
            is an error.
        device: Where the segmenter runs; ``auto`` is a GPU, if there is one.
        labels: What tables file the result under.

    Raises:
        DataError: If an image is missing, not readable, of another size, or of an id or colour nobody knows.
        ConfigError: If the segmenter fails or tells other classes apart, or torchmetrics is not installed.
    """
    pairs = _pairs(pred, truth, suffix, truth_suffix, partial)
    void = palette.void_label
    # "None of them" is one more class: an answer may be so, a truth is ignored then.
    counts = optional("torchmetrics.classification").MulticlassConfusionMatrix(
        void + 1, ignore_index=void, validate_args=False
    )
    device = default_device() if device == "auto" else device
    network = _as_segmenter(segmenter, device)

    def read(pair: tuple[Path, Path]) -> tuple[Labels, Labels | Pixels]:
        true = read_labels(pair[1], palette)
        return true, _read(pair[0], true.shape, palette, network is not None, resize)

    for true, shown in ahead(read, progress(pairs, "FCN scores"), _AHEAD):
        answer = shown if network is None else network.labels(_values(shown, device), void).numpy()
        counts.update(torch.from_numpy(answer)[None], torch.from_numpy(true)[None])
    matrix = counts.compute().numpy()[:void]
    if not matrix.any():
        raise DataError(f"no pixel of {truth} has a class that is scored; change --truth or --palette")
    name, sha256 = (network.name, network.sha256) if network is not None else (None, None)
    return FcnResult(palette, len(pairs), matrix, name, sha256, resize, dict(labels or {}))


def _as_segmenter(network: nn.Module | None, device: torch.device | str) -> Segmenter | None:
    if network is None:
        return None
    segmenter = network if isinstance(network, Segmenter) else Segmenter(network, type(network).__name__)
    try:
        torch.empty(0, device=device)  # one without weights would go anywhere
        return segmenter.to(device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the segmenter cannot run on {device} ({reason}); change --device") from error


def _pairs(pred: Path, truth: Path, suffix: str, truth_suffix: str, partial: bool) -> list[tuple[Path, Path]]:
    images = images_by_stem(pred, "--pred", suffix)
    truths = images_by_stem(truth, "--truth", truth_suffix)
    require(images, truths, f"images of {pred} have no truth in {truth}", "change --truth, --suffix or --truth-suffix")
    if not partial:
        require(
            truths,
            images,
            f"truths of {truth} have no image in {pred}",
            "translate all (a host's --num_test), change --suffix, or pass --partial to score the others alone",
        )
    return [(path, truths[stem]) for stem, path in images.items()]


def _read(path: Path, shape: tuple[int, ...], palette: Palette, photo: bool, resize: bool) -> Labels | Pixels:
    """A translated image at its truth's size: a photo's pixels ``(H, W, 3)``, or a label image's labels ``(H, W)``."""
    pixels = read_pixels(path, "--pred")
    if pixels.shape[:2] != shape and not resize:
        raise DataError(
            f"{path} is {pixels.shape[1]} x {pixels.shape[0]}, its truth {shape[1]} x {shape[0]}; change --pred or "
            "--truth, or pass --resize to bring images to their truth's size"
        )
    size = (shape[1], shape[0])
    if photo:
        return np.array(Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.BILINEAR))
    answer = exact_labels(pixels, path, palette, "--pred") if pixels.ndim == 2 else nearest_labels(pixels, palette)
    if answer.shape == shape:
        return answer
    return np.asarray(Image.fromarray(answer.astype(np.uint8)).resize(size, Image.Resampling.NEAREST), dtype=np.int64)


def _values(photo: Labels | Pixels, device: torch.device | str) -> Tensor:
    """A photo as a segmenter takes it, ``(1, 3, H, W)``, float32 in [0, 1]."""
    return torch.from_numpy(photo).to(device).permute(2, 0, 1)[None].float() / 255
