"""What the command shows: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.host import Fact, as_text
from guidegan_plugin.utils.files import write_output
from guidegan_plugin.utils.progress import show_progress


def _show_bars(quiet: bool) -> bool:
    """Bars on standard error, unless that is no terminal or nobody wants them."""
    show_progress(not quiet and sys.stderr.isatty())
    return quiet


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no tables.", callback=_show_bars)]


def _writable(out: Path | None) -> Path | None:
    """Refuse before the work what could not be written after it."""
    if out is None or str(out) == "-":
        return out
    if out.is_dir():
        raise ConfigError(f"cannot write {out}: it is a folder; change --json")
    if not out.parent.is_dir():
        raise ConfigError(f"cannot write {out}: there is no folder {out.parent}; make it, or change --json")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {out}: nothing may be written in {out.parent}; change --json")
    return out


JsonOut = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="OUT", help="Write the result as JSON to this file; - is standard output.", callback=_writable
    ),
]

Label = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A label in the result, for guidegan report; repeatable."),
]


def parse_labels(pairs: Iterable[str] | None) -> dict[str, str]:
    """What ``--label`` says.

    Raises:
        ConfigError: If one is not ``key=value``, or a key stands twice.
    """
    labels: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not key or not equals or key in labels:
            raise ConfigError(f"label: expected key=value with a key once, found {pair!r}; change --label")
        labels[key] = value
    return labels


def show_facts(facts: Sequence[Fact]) -> None:
    """Labels beside what is so: a table on a terminal, two plain columns elsewhere."""
    if not sys.stdout.isatty():
        sys.stdout.write(f"{as_text(facts)}\n")
        return
    table = Table(show_header=False)
    for number, (label, text) in enumerate(facts):
        if number and label.startswith(("pair ", "new network", "memory")):
            table.add_section()
        table.add_row(Text(label, style="bold"), Text(text, style="yellow" if label == "warning" else ""))
    show_table(table)


def show_table(table: Table) -> None:
    """Print a table: texts are shown as they are, and what is too wide for its column goes on in the next line.

    Names come from files and folders: ``[sky]`` is no markup, and ``:car:`` is no picture.
    """
    for column in table.columns:
        column.overflow = "fold"
    Console(markup=False, emoji=False).print(table, crop=False)


def tables_wanted(quiet: bool, out: Path | None) -> bool:
    """Whether standard output is for tables: nobody wants quiet, and ``--json -`` does not want it for itself."""
    return not quiet and str(out) != "-"


def write_json(result: Mapping[str, object], out: Path | None) -> None:
    """Write a result where ``--json`` says; nothing where it says nothing.

    Raises:
        ConfigError: If the file cannot be written.
    """
    if out is None:
        return
    text = json.dumps(result, indent=2) + "\n"
    if str(out) == "-":
        sys.stdout.write(text)
        return
    write_output(out, text.encode(), "change --json")
