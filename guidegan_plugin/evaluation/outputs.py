"""Files of results: tables as CSV, and whatever else is written whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.files import write_whole


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; folders above it are made.

    Args:
        path: The file.
        header: Names of the columns.
        rows: Of as many values; None is left empty.

    Raises:
        ConfigError: If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_output(path, text.getvalue().encode())


def write_output(path: Path, content: bytes) -> None:
    """Write a result's file; folders above it are made.

    Raises:
        ConfigError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(f"cannot write {path} ({error.strerror}); change --out, or what named the file") from error
