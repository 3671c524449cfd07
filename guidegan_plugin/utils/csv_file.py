"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from guidegan_plugin.utils.files import write_output


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
