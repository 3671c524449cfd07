"""``guidegan gallery``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guidegan_plugin.cli.console import JsonOut, Quiet, write_json


def gallery(
    run: Annotated[Path, typer.Argument(help="What a test or a training of a host left, or any folder of stores.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A new folder, or an older gallery; by default RUN/gallery.")
    ] = None,
    thumbnails: Annotated[int, typer.Option(min=16, max=2048, help="Longer side of a thumbnail in pixels.")] = 256,
    concat: Annotated[
        str | None, typer.Option(help="How inputs are blended: rhp or alpha; by default what the store says, else rhp.")
    ] = None,
    quiet: Quiet = False,
    json: JsonOut = None,
) -> None:
    """Write an HTML page of a run: inputs, attention maps, blended inputs and outputs, side by side and over epochs."""
    from guidegan_plugin.reports.gallery import make_gallery

    page = make_gallery(run, out, thumbnails, concat)
    if not quiet:
        typer.echo(page)
    write_json({"page": str(page)}, json)
