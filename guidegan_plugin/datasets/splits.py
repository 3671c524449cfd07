"""Training and test images: drawn by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from guidegan_plugin.datasets.encoding import read_bytes
from guidegan_plugin.datasets.folders import images_in, warn_of_same
from guidegan_plugin.datasets.preparation import Job, Plan
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.images import open_image


def draw_test(sizes: Sequence[int], test: float, seed: int, stream: int = 0) -> list[bool]:
    """Draw which groups of images are for testing.

    Args:
        sizes: How many images each group has; all 1 where every image stands for itself.
        test: The share of the images to test with, in [0, 1).
        seed: Of the draw, at least 0.
        stream: Tells draws with one seed apart, as those of two domains.

    Returns:
        For each group whether it is for testing. Whole groups reach the share as nearly as the drawn order allows;
        where `test` is above 0 and there are two groups, at least one group is on either side.

    Raises:
        ConfigError: `test` or `seed` is out of range.
    """
    if not 0 <= test < 1:
        raise ConfigError(f"test: expected a share of at least 0 and below 1, found {test}; change --test")
    if seed < 0:
        raise ConfigError(f"seed: expected at least 0, found {seed}; change --seed")
    chosen = [False] * len(sizes)
    if test == 0 or len(sizes) < 2:
        return chosen
    order = np.random.default_rng((seed, stream)).permutation(len(sizes))
    ends = np.cumsum([sizes[index] for index in order])
    nearest = 1 + int(np.argmin(np.abs(ends - test * ends[-1])))
    for index in order[: min(nearest, len(sizes) - 1)]:
        chosen[index] = True
    return chosen


def plan_split(folders: Sequence[Path], *, test: float = 0.2, seed: int = 0) -> Plan:
    """Split a folder of images into `train` and `test`, or two domains into `trainA`, `testA`, `trainB`, `testB`.

    Files are copied byte for byte. Images in subfolders are left out.

    Args:
        folders: One folder, or A's and B's.
        test: The share of the images to test with.
        seed: Of the draw; each domain has a draw of its own.

    Raises:
        ConfigError: An option is out of range.
        DataError: A folder is missing or holds no image.
    """
    if len(folders) not in (1, 2):
        raise ConfigError(f"a split takes one folder, or A's and B's, found {len(folders)}")
    if len(folders) == 2:
        warn_of_same(*folders)
    jobs = []
    for stream, (folder, domain) in enumerate(zip(folders, ("A", "B") if len(folders) == 2 else ("",), strict=True)):
        images = images_in(folder)
        if not images:
            raise DataError(f"no images in {folder} itself (subfolders are not read); change the folder that is read")
        for image, tests in zip(images, draw_test([1] * len(images), test, seed, stream), strict=True):
            target = f"{'test' if tests else 'train'}{domain}/{image.name}"
            jobs.append(Job((image,), (target,), copied))
    return Plan("split", {"test": test, "seed": seed}, tuple(jobs))


def copied(sources: Sequence[Path]) -> list[bytes]:
    """Copy images as they are.

    Args:
        sources: The images.

    Raises:
        DataError: One of them cannot be read as an image.
    """
    for source in sources:
        open_image(source)
    return [read_bytes(source) for source in sources]
