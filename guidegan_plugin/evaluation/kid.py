"""KID and FID of translated images (section 4.1)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.distances import Array, draw_subsets, frechet_distance, subset_kids
from guidegan_plugin.evaluation.features import INCEPTION, Features, extract
from guidegan_plugin.evaluation.image_folders import LOSSY, find_images
from guidegan_plugin.evaluation.optional_packages import versions

SUBSET_SIZE = 1000  # of torch-fidelity and of papers, where there are as many images

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KidScore:
    """KID x 100.

    Attributes:
        kid_x100: mean over subsets.
        std_x100: standard deviation over subsets. It says how much subsets differ, not how much trainings do.
    """

    kid_x100: float
    std_x100: float


@dataclass(frozen=True)
class KidResult:
    """What ``guidegan evaluate kid`` found.

    Attributes:
        features: name of the features.
        title: ``KID``, or ``KID (features: NAME)`` where they are not Inception's with the official weights.
        target: fakes against the target domain.
        source: fakes against the source domain; None if none was given.
        mean: average of both, subset by subset, with the spread of these averages.
        fid: Frechet distance of fakes and targets; None where it cannot be computed.
        images: how many ``fake``, ``target`` and, if given, ``source``.
        subsets: how many were drawn.
        subset_size: images of a subset.
        seed: of the draw.
        resize: what the features do to an image's size first.
        weights_sha256: of the features' weights; None if unknown.
        labels: the user's own.
        versions: of the packages that computed it.
    """

    features: str
    title: str
    target: KidScore
    source: KidScore | None
    mean: KidScore | None
    fid: float | None
    images: Mapping[str, int]
    subsets: int
    subset_size: int
    seed: int
    resize: str
    weights_sha256: str | None
    labels: Mapping[str, str]
    versions: Mapping[str, str]

    def as_dict(self) -> dict[str, object]:
        """The result file's content."""
        return {"metric": "kid", **asdict(self)}


@dataclass(frozen=True, eq=False)
class FolderFeatures:
    """Features of a folder of real images, to score several folders of fakes against; of :func:`folder_features`.

    Attributes:
        features: what computed them.
        paths: of the images.
        rows: features (N, F), float64.
        sizes: the sizes (H, W) of the images.
    """

    features: Features
    paths: list[Path]
    rows: Array
    sizes: set[tuple[int, int]]


def folder_features(folder: Path, *, features: Features, batch_size: int = 32) -> FolderFeatures:
    """Compute the features of a folder of real images once, for several calls of :func:`evaluate_kid`.

    Args:
        folder: of real images.
        features: as for :func:`evaluate_kid`.
        batch_size: as for :func:`evaluate_kid`.

    Raises:
        DataError: If the folder or an image cannot be used.
        ConfigError: If the number makes no sense, or the features fail.
    """
    _check_numbers(batch_size=batch_size)
    return _computed(find_images(folder, "--target", None, 2), features, "--target", batch_size)


def evaluate_kid(
    fake: Path,
    target: Path | FolderFeatures,
    source: Path | FolderFeatures | None = None,
    *,
    features: Features,
    suffix: str = "",
    subsets: int = 100,
    subset_size: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> KidResult:
    """Score a folder of translated images.

    Args:
        fake: folder of translated images.
        target: folder of real images of the domain translated to, or its features.
        source: likewise, of the domain translated from; then the mean KID is computed, too.
        features: from :func:`~guidegan_plugin.evaluation.features.load_features`.
        suffix: what a fake's file name ends with before its extension; empty takes every image.
        subsets: how many are drawn; the fakes' subsets are the same against target and source.
        subset_size: images of a subset; None takes 1000, or as many as the smallest folder holds.
        seed: of the draw; the target's figures are torch-fidelity's with this ``rng_seed``.
        batch_size: images the features are computed of at a time; changes speed and memory alone.
        labels: kept in the result.

    Raises:
        DataError: If a folder or an image cannot be used.
        ConfigError: If a number makes no sense for these folders, the features fail, or those of a folder are others.
    """
    folders = {"fake": fake, "target": target} | ({} if source is None else {"source": source})
    for name, place in folders.items():
        if isinstance(place, FolderFeatures) and place.features is not features:
            raise ConfigError(f"{name}: its features are {place.features.name}'s, not these; compute them with these")
    paths = {
        name: place.paths
        if isinstance(place, FolderFeatures)
        else find_images(place, f"--{name}", suffix if name == "fake" else None, 2)
        for name, place in folders.items()
    }
    for name in paths.keys() - {"fake"}:
        # realpath, which takes a link in a circle as it is: that it is no image is said where it is read.
        if {*map(os.path.realpath, paths["fake"])} & {*map(os.path.realpath, paths[name])}:
            _log.warning("--fake and --%s have images in common, which makes the score too good", name)
    counts = {name: len(found) for name, found in paths.items()}
    _check_numbers(subsets=subsets, batch_size=batch_size, seed=seed)
    size = _subset_size(subset_size, counts)
    found = {
        name: place if isinstance(place, FolderFeatures) else _computed(paths[name], features, f"--{name}", batch_size)
        for name, place in folders.items()
    }
    _check_alike(found)
    rows = {name: each.rows for name, each in found.items()}
    picks = draw_subsets(counts, subsets, size, seed)
    against = {name: subset_kids(rows["fake"], rows[name], picks[name]) for name in picks}
    mean = None if source is None else _score((against["target"] + against["source"]) / 2)
    return KidResult(
        features=features.name,
        title="KID" if features.name == INCEPTION else f"KID (features: {features.name})",
        target=_score(against["target"]),
        source=None if source is None else _score(against["source"]),
        mean=mean,
        fid=frechet_distance(rows["fake"], rows["target"]),
        images=counts,
        subsets=subsets,
        subset_size=size,
        seed=seed,
        resize=features.resize,
        weights_sha256=features.weights_sha256,
        labels=dict(labels),
        versions=versions("torch-fidelity"),
    )


def _computed(paths: list[Path], features: Features, flag: str, batch_size: int) -> FolderFeatures:
    rows, sizes = extract(paths, features, flag, batch_size=batch_size)
    return FolderFeatures(features, paths, rows.numpy(), sizes)


def _check_alike(found: Mapping[str, FolderFeatures]) -> None:
    """Refuse features of several widths, and say what else counts as a difference."""
    widths = {name: each.rows.shape[1] for name, each in found.items()}
    if len(set(widths.values())) > 1:
        name = found["fake"].features.name
        raise ConfigError(f"features {name} differ in width between folders ({widths}); change --features")
    if len(set().union(*(each.sizes for each in found.values()))) > 1:
        said = ", ".join(f"{name} {_said(each.sizes)}" for name, each in found.items())
        _log.warning("image sizes differ (%s), and the score counts that as a difference, too", said)
    if any(path.suffix.lower() in LOSSY for path in found["fake"].paths):
        _log.warning("fakes are compressed with loss, and the score counts that as a difference, too; save them as PNG")


def _said(sizes: set[tuple[int, int]]) -> str:
    height, width = min(sizes)
    return f"{width}x{height}" + (f" and {len(sizes) - 1} more" if len(sizes) > 1 else "")


def _subset_size(wanted: int | None, counts: Mapping[str, int]) -> int:
    smallest = min(counts, key=lambda name: counts[name])
    fewest = counts[smallest]
    size = min(fewest, SUBSET_SIZE) if wanted is None else wanted
    if not 2 <= size <= fewest:
        raise ConfigError(
            f"subset_size: expected 2 to {fewest}, the images in --{smallest}, found {size}; change --subset-size"
        )
    if size == fewest:
        _log.warning(
            "each subset holds all %d images of --%s, so the standard deviation is too small; "
            "--subset-size %d would show it better",
            fewest,
            smallest,
            max(2, fewest // 2),
        )
    return size


def _check_numbers(*, batch_size: int, subsets: int = 1, seed: int = 0) -> None:
    for flag, found, least in (("--subsets", subsets, 1), ("--batch-size", batch_size, 1), ("--seed", seed, 0)):
        if not least <= found < 2**32:
            raise ConfigError(f"expected {least} or more, and less than 2^32, found {found}; change {flag}")


def _score(kids: Array) -> KidScore:
    return KidScore(float(100 * kids.mean()), float(100 * kids.std()))
