"""``guidegan data``: data sets made on the spot, or prepared from what a user downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guidegan_plugin.errors import ConfigError

data = typer.Typer(no_args_is_help=True, help="Make or prepare data sets.")


@data.command()
def shapes(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[
        str, typer.Option(help="unpaired: plain to striped objects; paired: labels to streets.")
    ] = "unpaired",
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 128,
    count: Annotated[int, typer.Option(help="Training images a domain.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same images.")] = 0,
) -> None:
    """Make a small data set on the spot, with the object's region beside each image."""
    from guidegan_plugin.datasets.shapes import write_unpaired
    from guidegan_plugin.datasets.street import write_paired

    writers = {"unpaired": write_unpaired, "paired": write_paired}
    if kind not in writers:
        raise ConfigError(f"kind: expected {' or '.join(writers)}, found {kind!r}; change --kind")
    writers[kind](out, size, count, seed=seed)
