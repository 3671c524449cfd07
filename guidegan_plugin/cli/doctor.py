"""``guidegan doctor``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from guidegan_plugin.cli.console import JsonOut, Quiet, show_table, tables_wanted, write_json

if TYPE_CHECKING:
    from guidegan_plugin.plugins.check import Check

_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


def doctor(
    host_dir: Annotated[Path | None, typer.Argument(help="The host's folder; by default the current folder.")] = None,
    dataroot: Annotated[
        Path | None, typer.Option(help="Folder of training images, to estimate the disk space of their maps.")
    ] = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Check whether a guided training can run here, and say how to fix what is missing; exit code 1 on a failure."""
    from guidegan_plugin.diagnosis.diagnose import diagnose

    root = (host_dir or Path()).resolve()
    checks = diagnose(root, dataroot, needs_host=host_dir is not None)
    failures = sum(check.status == "failure" for check in checks)
    write_json({"host_dir": str(root), "ok": not failures, "checks": [check.as_dict() for check in checks]}, json_out)
    if tables_wanted(quiet, json_out):
        (_table if sys.stdout.isatty() else _lines)(checks)
    if failures:
        raise typer.Exit(1)


def _lines(checks: Sequence[Check]) -> None:
    for check in checks:
        typer.echo(f"{check.status:<8} {check.name:<16} {check.found}")
        if check.cure:
            typer.echo(f"{'cure:':>25} {check.cure}")


def _table(checks: Sequence[Check]) -> None:
    table = Table(show_header=False, show_lines=True)
    for check in checks:
        found = Text(check.found)
        if check.cure:
            found.append(f"\n{check.cure}", style="italic")
        table.add_row(Text(check.status, style=_STYLES[check.status]), check.name, found)
    show_table(table)
