"""``guidegan report`` and ``guidegan grid``: what many results come to, in numbers and in images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column
from rich.table import Table as Shown
from rich.text import Text

from guidegan_plugin.cli.console import Quiet, show_table


def report(
    places: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders, searched for result files, or result files.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report.md and report.html.")] = Path("report"),
    paper: Annotated[bool, typer.Option(help="Show the paper's own scores in separate columns.")] = True,
    quiet: Quiet = False,
) -> None:
    """Make the paper's tables, as Markdown and HTML, from the JSON of guidegan evaluate; seeds are averaged."""
    from guidegan_plugin.reports.report import build_report, write_report

    built = build_report(places, paper)
    written = write_report(built, out)
    if quiet:
        return
    for table in built.tables:
        columns = (Column("\n".join(column.heading), style="dim" if column.paper else "") for column in table.columns)
        shown = Shown("method", *columns, title=table.title, title_justify="left")
        for method, cells in table.rows:
            texts = (Text(cell.text, style="bold" if cell.best else "") if cell else Text() for cell in cells)
            shown.add_row(method, *texts)
        show_table(shown)
        for note in table.notes:
            typer.echo(note)
    for path in written:
        typer.echo(f"wrote {path}")


def grid(
    columns: Annotated[
        list[str],
        typer.Option(
            "--column",
            metavar="TITLE=DIR[:SUFFIX]",
            help="A column: images of a folder whose names end in SUFFIX, such as _fake_B; repeatable.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .png file.")] = Path("grid.png"),
    images: Annotated[
        str | None, typer.Option(help="Rows: names of images without suffix and extension, separated by commas.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many rows to draw at random, if --images names none.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows.")] = 0,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Side of a cell in pixels.")] = 256,
    title: Annotated[str, typer.Option(help="Title above the grid.")] = "",
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TITLE", help="Draw this column's attention maps in colour over the first column; repeatable."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Set images of several folders side by side: a row for each input, a column for each method or epoch."""
    from guidegan_plugin.reports.grid import parse_column, write_grid

    wanted = None if images is None else [name.strip() for name in images.split(",")]
    rows = write_grid(
        out,
        [parse_column(column) for column in columns],
        images=wanted,
        count=count,
        seed=seed,
        size=size,
        title=title,
        overlay=overlay or (),
    )
    if not quiet:
        typer.echo(f"wrote {out}: {', '.join(rows)}")
