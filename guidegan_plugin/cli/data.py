"""``guidegan data``: data sets made on the spot, checked, or prepared from what a user downloads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli import prepare
from guidegan_plugin.cli.console import JsonOut, Quiet, show_table, tables_wanted, write_json
from guidegan_plugin.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guidegan_plugin.datasets.published import FolderCheck

_log = logging.getLogger(__name__)

data = typer.Typer(no_args_is_help=True, help="Make, check or prepare data sets.")
for _command in (prepare.split, prepare.pairs, prepare.cityscapes, prepare.camvid, prepare.bdd100k):
    data.command()(_command)


@data.command()
def shapes(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[
        str, typer.Option(help="unpaired: plain to striped objects; paired: labels to streets.")
    ] = "unpaired",
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 128,
    count: Annotated[int, typer.Option(help="Training images in each domain.")] = 200,
    test_count: Annotated[
        int | None, typer.Option(help="Test images in each domain; by default a fifth of --count.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same images.")] = 0,
    workers: prepare.Workers = None,
    quiet: Quiet = False,
) -> None:
    """Draw a small data set, with the region of the object beside each image."""
    from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
    from guidegan_plugin.datasets.synthetic.street import write_paired

    writers = {"unpaired": write_unpaired, "paired": write_paired}
    if kind not in writers:
        raise ConfigError(f"kind: expected {' or '.join(writers)}, found {kind!r}; change --kind")
    writers[kind](out, size, count, test_count, seed, workers)
    if not quiet:
        counts = ", ".join(
            f"{folder.name} {len(list(folder.iterdir()))}"
            for folder in sorted(out.iterdir())
            if folder.name.startswith(("train", "test"))
        )
        typer.echo(f"{out}: {counts}")


@data.command()
def check(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with trainA, trainB, testA and testB.")],
    dataset: Annotated[
        str | None,
        typer.Option(help="Compare with the published counts of apple2orange, horse2zebra or summer2winter."),
    ] = None,
    workers: prepare.Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Check an unpaired data set: all folders, the number of images in each, and that every image opens."""
    from guidegan_plugin.datasets.published import check_dataset

    checks = check_dataset(root, dataset, workers=workers)
    if tables_wanted(quiet, json_out):
        show_table(_table(checks))
    for failure in (failure for found in checks for failure in found.unreadable):
        _log.warning("%s", failure)
    problems = [found.problem for found in checks if found.problem]
    folders = {
        found.folder: {
            "published": found.published,
            "found": found.found,
            "modes": dict(found.modes),
            "unreadable": list(found.unreadable),
        }
        for found in checks
    }
    write_json({"dataset": dataset, "folders": folders, "problems": problems}, json_out)
    if problems:
        raise DataError(f"{root}: {'; '.join(problems)}")


def _table(checks: Sequence[FolderCheck]) -> Table:
    table = Table("folder", "images", "published", "unreadable", "modes")
    for found in checks:
        modes = ", ".join(f"{count} {mode}" for mode, count in sorted(found.modes.items()))
        images = "missing" if found.found is None else str(found.found)
        published = "" if found.published is None else str(found.published)
        table.add_row(found.folder, images, published, str(len(found.unreadable)), modes)
    return table
