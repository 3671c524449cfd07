"""KID and FID of translated images (section 4.1)."""

from __future__ import annotations

import logging
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


def evaluate_kid(
    fake: Path,
    target: Path,
    source: Path | None = None,
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
        target: folder of real images of the domain translated to.
        source: folder of real images of the domain translated from; then the mean KID is computed, too.
        features: from :func:`~guidegan_plugin.evaluation.features.load_features`.
        suffix: what a fake's file name ends with before its extension; empty takes every image.
        subsets: how many are drawn; the fakes' subsets are the same against target and source.
        subset_size: images of a subset; None takes 1000, or as many as the smallest folder holds.
        seed: of the draw; the target's figures are torch-fidelity's with this ``rng_seed``.
        batch_size: images the features are computed of at a time; changes speed and memory alone.
        labels: kept in the result.

    Raises:
        DataError: If a folder or an image cannot be used.
        ConfigError: If a number makes no sense for these folders, or the features fail.
    """
    folders = {"fake": fake, "target": target} | ({} if source is None else {"source": source})
    paths = {
        name: find_images(path, f"--{name}", suffix if name == "fake" else None, 2) for name, path in folders.items()
    }
    for name in paths.keys() - {"fake"}:
        if {path.resolve() for path in paths["fake"]} & {path.resolve() for path in paths[name]}:
            _log.warning("--fake and --%s have images in common, which makes the score too good", name)
    counts = {name: len(found) for name, found in paths.items()}
    _check_numbers(subsets=subsets, batch_size=batch_size, seed=seed)
    size = _subset_size(subset_size, counts)
    rows = _features_of(paths, features, batch_size)
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


def _features_of(paths: Mapping[str, list[Path]], features: Features, batch_size: int) -> dict[str, Array]:
    rows: dict[str, Array] = {}
    sizes: dict[str, set[tuple[int, int]]] = {}
    for name, found in paths.items():
        values, sizes[name] = extract(found, features, f"--{name}", batch_size=batch_size)
        rows[name] = values.numpy()
    widths = {name: values.shape[1] for name, values in rows.items()}
    if len(set(widths.values())) > 1:
        raise ConfigError(f"features {features.name} differ in width between folders ({widths}); change --features")
    if len(set().union(*sizes.values())) > 1:
        said = ", ".join(f"{name} {_said(found)}" for name, found in sizes.items())
        _log.warning("image sizes differ (%s), and the score counts that as a difference, too", said)
    if any(path.suffix.lower() in LOSSY for path in paths["fake"]):
        _log.warning("fakes are compressed with loss, and the score counts that as a difference, too; save them as PNG")
    return rows


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


def _check_numbers(*, subsets: int, batch_size: int, seed: int) -> None:
    for flag, found, least in (("--subsets", subsets, 1), ("--batch-size", batch_size, 1), ("--seed", seed, 0)):
        if not least <= found < 2**32:
            raise ConfigError(f"expected {least} or more, and less than 2^32, found {found}; change {flag}")


def _score(kids: Array) -> KidScore:
    return KidScore(float(100 * kids.mean()), float(100 * kids.std()))
