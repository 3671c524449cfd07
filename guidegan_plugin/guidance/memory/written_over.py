"""Which stores still have the maps that they were written with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guidegan_plugin.guidance.memory.store_file import file_names, load_facts


def not_written_over(files: Sequence[Path], cure: str) -> list[Path]:
    """Leave out stores whose maps lie in a file (``store=mmap``) that a later store wrote over.

    Args:
        files: Stores of one training, the newest last.
        cure: What the user can do where the content of one is refused, for the error.

    Raises:
        StoreError: If one is missing, torn or foreign.
    """
    if len(files) < 2:
        return [*files]
    named = {path: file_names(load_facts(path, cure)) for path in files}
    last = {name: path for path in files for name in named[path]}
    return [path for path in files if not named[path] or path in last.values()]
