"""``guidegan data split``, ``pairs``, ``cityscapes``, ``camvid``, ``bdd100k``: from a download to a data set."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli.console import JsonOut, Quiet, show_table, tables_wanted, write_json
from guidegan_plugin.errors import ConfigError, DataError, GuideError

if TYPE_CHECKING:
    from guidegan_plugin.datasets.preparation import Plan, Prepared

_log = logging.getLogger(__name__)

Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="A new folder, named OUT.partial until all files are written.")
]
Workers = Annotated[
    int | None, typer.Option(help="Number of processes; by default one for each CPU, fewer for a small data set.")
]
Test = Annotated[float, typer.Option(help="Share of test images, in [0, 1).")]
Seed = Annotated[int, typer.Option(help="The same seed draws the same test images.")]
Format = Annotated[str, typer.Option(help="png or jpg; scores depend on compression, so compare only equal formats.")]
Quality = Annotated[int, typer.Option(help="JPEG quality, 1 to 100.")]
Kind = Annotated[str, typer.Option(help="paired: photo|label side by side; unpaired: photos in A, labels in B.")]
Size = Annotated[int, typer.Option(help="Side of a photo, and of a label, in pixels.")]


def split(
    folders: Annotated[
        list[Path], typer.Argument(metavar="A_DIR [B_DIR] OUT", help="One or two source folders, and the new folder.")
    ],
    test: Test = 0.2,
    seed: Seed = 0,
    workers: Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Split a folder into train and test, or two domains into trainA, testA, trainB, testB; files are copied."""
    from guidegan_plugin.datasets.splits import plan_split

    *sources, out = folders
    if len(sources) not in (1, 2):
        raise ConfigError(f"split takes one folder or two, and then OUT; found {len(folders)} folders in all")
    _prepare(plan_split(sources, test=test, seed=seed), out, workers, quiet, json_out)


def pairs(
    a: Annotated[Path, typer.Argument(metavar="A_DIR", help="Images of A.")],
    b: Annotated[
        Path, typer.Argument(metavar="B_DIR", help="Images of B with the names of A's images; suffixes may differ.")
    ],
    out: Out,
    test: Annotated[float, typer.Option(help="Share of test images among those directly in A_DIR.")] = 0.2,
    seed: Seed = 0,
    format: Format = "png",
    quality: Quality = 95,
    workers: Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Join images of the same name side by side, A|B; subfolders (train, test) are kept."""
    from guidegan_plugin.datasets.encoding import Encoding
    from guidegan_plugin.datasets.joined_pairs import plan_pairs

    plan = plan_pairs(a, b, test=test, seed=seed, encoding=Encoding(format, quality))
    _prepare(plan, out, workers, quiet, json_out)


def cityscapes(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with leftImg8bit and gtFine.")],
    out: Out,
    kind: Kind = "paired",
    size: Size = 256,
    labels: Annotated[
        str,
        typer.Option(
            help="color: Cityscapes' own label pictures; ids: the 19 scored classes painted from labelIds, the rest "
            "black, and class ids under OUT/labels."
        ),
    ] = "color",
    format: Format = "png",
    quality: Quality = 95,
    workers: Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Make Cityscapes labels<->photos: A is the photo, B the label; val becomes test."""
    from guidegan_plugin.datasets.cityscapes import PUBLISHED, plan_cityscapes
    from guidegan_plugin.datasets.encoding import Encoding
    from guidegan_plugin.datasets.labelled import Style

    plan = plan_cityscapes(root, labels=labels, style=Style(kind, size, Encoding(format, quality)))
    _prepare(plan, out, workers, quiet, json_out, PUBLISHED)


def camvid(
    root: Annotated[
        Path, typer.Argument(metavar="DIR", help="With train and trainannot, or train/photo and train/label.")
    ],
    out: Out,
    kind: Kind = "paired",
    size: Size = 256,
    format: Format = "png",
    quality: Quality = 95,
    workers: Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Make CamVid labels<->photos: A is the photo, B the label in SegNet's colours; class ids under OUT/labels."""
    from guidegan_plugin.datasets.camvid import PUBLISHED, plan_camvid
    from guidegan_plugin.datasets.encoding import Encoding
    from guidegan_plugin.datasets.labelled import Style

    plan = plan_camvid(root, style=Style(kind, size, Encoding(format, quality)))
    _prepare(plan, out, workers, quiet, json_out, PUBLISHED)


def bdd100k(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with images/100k and labels.")],
    out: Out,
    min_size: Annotated[
        int, typer.Option(help="Least height and width of a sign in pixels; the paper names no filter.")
    ] = 64,
    release: Annotated[
        str, typer.Option(help="Label files: 2018 (bdd100k_labels_images_*.json), det_20, or auto: what exists.")
    ] = "auto",
    test: Test = 0.2,
    seed: Seed = 0,
    format: Format = "png",
    quality: Quality = 95,
    workers: Workers = None,
    quiet: Quiet = False,
    json_out: JsonOut = None,
) -> None:
    """Make day2night: traffic signs cropped from BDD100K, by day in A and by night in B."""
    from guidegan_plugin.datasets.bdd100k import DAY, NIGHT, plan_bdd100k
    from guidegan_plugin.datasets.encoding import Encoding

    plan = plan_bdd100k(
        root, release=release, min_size=min_size, test=test, seed=seed, encoding=Encoding(format, quality)
    )
    _prepare(
        plan, out, workers, quiet, json_out, note=f"The paper had {DAY} crops by day (A) and {NIGHT} by night (B)."
    )


def _prepare(
    plan: Plan,
    out: Path,
    workers: int | None,
    quiet: bool,
    json_out: Path | None,
    published: Mapping[str, int] | None = None,
    note: str | None = None,
) -> None:
    from guidegan_plugin.datasets.preparation import prepare

    with _resumable(out):
        result = prepare(plan, out, workers=workers)
    if result.resumed:
        _log.warning("went on where an interrupted run had stopped, after %d of %d", result.resumed, len(plan.jobs))
    if tables_wanted(quiet, json_out):
        show_table(_table(result, published or {}))
        if note:
            typer.echo(note)
    outcome = {"images": dict(result.images), "failures": list(result.failures)}
    write_json({"recipe": plan.recipe, "options": dict(plan.options), "out": str(out), **outcome}, json_out)
    for failure in result.failures:
        _log.warning("%s", failure)
    if result.failures:
        raise DataError(
            f"{len(result.failures)} of {len(plan.jobs)} sources, listed above, could not be used and were left out; "
            f"everything else is in {out}"
        )


@contextlib.contextmanager
def _resumable(out: Path) -> Iterator[None]:
    from guidegan_plugin.datasets.preparation import partial_folder

    try:
        yield
    except KeyboardInterrupt as error:
        raise GuideError(
            f"interrupted; {partial_folder(out)} keeps what is done, and the same command goes on from there"
        ) from error


def _table(result: Prepared, published: Mapping[str, int]) -> Table:
    columns = ("folder", "images", "published") if published else ("folder", "images")
    table = Table(*columns)
    for folder, count in result.images.items():
        # trainA and labels/train hold as many as train.
        known = str(published.get(folder.removeprefix("labels/").rstrip("AB"), ""))
        table.add_row(*(folder, str(count), known)[: len(columns)])
    return table
