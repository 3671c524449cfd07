"""Two folders of images with the same names, joined side by side."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from guidegan_plugin.datasets.encoding import Encoding, side_by_side
from guidegan_plugin.datasets.folders import by_stem, warn_of_same
from guidegan_plugin.datasets.preparation import Job, Plan
from guidegan_plugin.datasets.splits import draw_test
from guidegan_plugin.errors import DataError
from guidegan_plugin.utils.images import open_image


def plan_pairs(a: Path, b: Path, *, test: float = 0.2, seed: int = 0, encoding: Encoding | None = None) -> Plan:
    """Join each image of A with the image of B that has its name, whatever their suffixes, as A|B.

    Subfolders (`train`, `test`) are kept. Images that lie in `a` itself are split into `train` and `test`.

    Args:
        a: A's folder.
        b: B's folder, with the same subfolders.
        test: The share to test with of the images that lie in `a` itself.
        seed: Of that draw.
        encoding: How pairs are written; None takes PNG.

    Raises:
        ConfigError: An option is out of range.
        DataError: A folder is missing, or an image has no counterpart.
    """
    encoding = encoding or Encoding()
    warn_of_same(a, b)
    left, right = by_stem(a, deep=True), by_stem(b, deep=True)
    for mine, others, folder, other in ((left, right, a, b), (right, left, b, a)):
        alone = mine.keys() - others.keys()
        if alone:
            raise DataError(
                f"{len(alone)} of the images in {folder} have no counterpart in {other}, as {min(alone)}; "
                "give every pair one name, or take the others away"
            )
    loose = sorted(stem for stem in left if "/" not in stem)
    tests = dict(zip(loose, draw_test([1] * len(loose), test, seed), strict=True))
    make = functools.partial(joined, encoding=encoding)
    jobs = []
    for stem in sorted(left):
        phase = "" if stem not in tests else "test/" if tests[stem] else "train/"
        jobs.append(Job((left[stem], right[stem]), (f"{phase}{stem}.{encoding.format}",), make))
    return Plan("pairs", {"test": test, "seed": seed, **encoding.options()}, tuple(jobs))


def joined(sources: Sequence[Path], encoding: Encoding) -> list[bytes]:
    """Join two images side by side.

    Args:
        sources: A and B.
        encoding: How the pair is written.

    Raises:
        DataError: One of them cannot be read, or their sizes differ.
    """
    a, b = sources
    return [encoding.encode(side_by_side(open_image(a), open_image(b)))]
