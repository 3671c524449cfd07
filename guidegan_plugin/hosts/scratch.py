"""The folder that stands for a run's own in a dry run: what is loaded is found there, and nothing is saved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from guidegan_plugin.utils.replaced import replaced


def link_files(folder: Path, patterns: Iterable[str], into: Path) -> None:
    """Let the files of a folder be found in another one, under the same names: links, or copies where there are none.

    Args:
        folder: Need not be there.
        patterns: Which files, as for ``Path.glob``.
        into: Files that are there already stay.
    """
    for path in {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}:
        place = into / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            try:
                place.symlink_to(path.resolve())
            except OSError:  # Windows, for most people
                shutil.copyfile(path, place)


@contextmanager
def nothing_saved() -> Iterator[None]:
    """While it lasts, ``torch.save`` writes no file: a dry run may come by where a training saves."""
    import torch  # lazily, because it takes its time

    def saving(own: Callable[..., None]) -> Callable[..., None]:
        def save(content: object, file: object, *args: object, **kwargs: object) -> None:
            if not isinstance(file, (str, bytes, os.PathLike)):
                own(content, file, *args, **kwargs)

        return save

    with replaced(torch, "save", saving):
        yield
