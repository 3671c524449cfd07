"""``guidegan gallery``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guidegan_plugin.cli.console import JsonOut, Quiet, tables_wanted, write_json
from guidegan_plugin.errors import ConfigError


def gallery(
    run: Annotated[Path, typer.Argument(help="What a test or a training of a host left, or any folder of stores.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A new folder, or an older gallery; by default RUN/gallery.")
    ] = None,
    thumbnails: Annotated[int, typer.Option(min=16, max=2048, help="Longer side of a thumbnail in pixels.")] = 256,
    concat: Annotated[
        str | None, typer.Option(help="How inputs are blended: rhp or alpha; by default what the store says, else rhp.")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=RUN", help="Another test of the same images, side by side below each; repeatable."),
    ] = None,
    quiet: Quiet = False,
    json: JsonOut = None,
) -> None:
    """Write an HTML page of a run: inputs, attention maps, blended inputs and outputs, side by side and over epochs."""
    from guidegan_plugin.reports.gallery import make_gallery

    page = make_gallery(run, out, thumbnails, concat, _labelled(beside or []))
    if tables_wanted(quiet, json):
        typer.echo(page)
    write_json({"page": str(page)}, json)


def _labelled(words: list[str]) -> dict[str, Path]:
    """What ``--beside`` says.

    Raises:
        ConfigError: If one is not ``label=run``, or a label stands twice.
    """
    found: dict[str, Path] = {}
    for word in words:
        label, _, run = word.partition("=")
        if not label or not run or label in found:
            raise ConfigError(f"beside: expected label=run with a label once, found {word!r}; change --beside")
        found[label] = Path(run)
    return found
