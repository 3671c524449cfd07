"""Writing a drawn data set: in parallel, and all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from guidegan_plugin.datasets.folders import writing
from guidegan_plugin.datasets.parallel import in_parallel
from guidegan_plugin.datasets.synthetic.drawing import Pixels
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.files import whole_folder
from guidegan_plugin.utils.progress import progress

Annotation = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
Draw = Callable[[np.random.Generator, int], tuple[Pixels, Annotation]]

IMAGES_PER_WORKER = 500


@dataclass(frozen=True)
class Split:
    """One folder of images.

    Attributes:
        folder: its name, as in `trainA`.
        number: which stream of randomness it draws from; unlike any other split's of the set.
        count: how many images it holds.
        draw: makes an image, uint8, (H, W, 3), and its annotation, uint8 or bool, (H, W). A function of a
            module's top level, so that a worker process can be sent it.
    """

    folder: str
    number: int
    count: int
    draw: Draw


@dataclass(frozen=True)
class _Job:
    draw: Draw
    size: int
    key: tuple[int, int, int]
    image: Path
    annotation: Path


def counts(count: int, test_count: int | None) -> tuple[int, int]:
    """Settle how many images train and test splits hold; a test split defaults to a fifth, at least one.

    Raises:
        ConfigError: one of the numbers is below 1.
    """
    test_count = max(1, count // 5) if test_count is None else test_count
    _at_least(1, "count", count)
    _at_least(1, "test_count", test_count)
    return count, test_count


def write_set(
    root: Path,
    splits: Sequence[Split],
    annotations: str,
    size: int,
    seed: int,
    workers: int | None,
) -> None:
    """Write images to `root/<split>/00000.png` and annotations to `root/<annotations>/<split>/00000.png`.

    Image i depends on seed, split and i alone. The set is written to a hidden folder beside `root` and renamed
    when it is complete.

    Args:
        root: a folder that is empty, or does not exist.
        splits: what to write.
        annotations: the annotations' folder.
        size: height and width that `draw` is asked for, at least 32.
        seed: seed of the set, at least 0.
        workers: processes that draw. 1 draws in this process; None takes one a CPU, and fewer for a small set.
            Other processes import the calling script, which therefore needs its `if __name__ == "__main__"`.

    Raises:
        ConfigError: an argument is out of range.
        GuideError: `root` is taken or cannot be written, or a worker process died.
    """
    _at_least(32, "size", size)
    _at_least(0, "seed", seed)
    _at_least(1, "workers", 1 if workers is None else workers)
    with writing(root) as root, whole_folder(root) as fresh:
        _draw_all(_plan(fresh, splits, annotations, size, seed), workers)


def _at_least(least: int, name: str, found: int) -> None:
    if found < least:
        flag = name.replace("_", "-")
        raise ConfigError(f"`{name}` expected to be at least {least}, got {found}; change `{name}` (--{flag})")


def _plan(root: Path, splits: Sequence[Split], annotations: str, size: int, seed: int) -> list[_Job]:
    jobs = []
    for split in splits:
        images, annotated = root / split.folder, root / annotations / split.folder
        images.mkdir(parents=True)
        annotated.mkdir(parents=True)
        for index in range(split.count):
            key, name = (seed, split.number, index), f"{index:05d}.png"
            jobs.append(_Job(split.draw, size, key, images / name, annotated / name))
    return jobs


def _draw_all(jobs: list[_Job], workers: int | None) -> None:
    with closing(in_parallel(_draw_one, jobs, workers, IMAGES_PER_WORKER)) as drawn:
        for _ in progress(drawn, "Drawing", len(jobs)):
            pass


def _draw_one(job: _Job) -> None:
    image, annotation = job.draw(np.random.default_rng(job.key), job.size)
    if annotation.dtype == np.bool_:
        annotation = annotation.astype(np.uint8) * np.uint8(255)
    # Grain hardly compresses: level 1 takes a fraction of the default level's time for a few percent more bytes.
    Image.fromarray(image).save(job.image, compress_level=1)
    Image.fromarray(annotation).save(job.annotation, compress_level=1)
