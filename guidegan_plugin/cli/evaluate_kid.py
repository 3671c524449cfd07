"""``guidegan evaluate kid``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli.console import JsonOut, Label, Quiet, parse_labels, show_table, tables_wanted, write_json
from guidegan_plugin.errors import ConfigError

if TYPE_CHECKING:
    from guidegan_plugin.evaluation.kid import KidResult


def kid(
    fake: Annotated[Path, typer.Option(help="Folder of translated images.")],
    target: Annotated[Path, typer.Option(help="Folder of real images of the domain translated to.")],
    source: Annotated[
        Path | None, typer.Option(help="Folder of real images of the domain translated from, for the mean KID.")
    ] = None,
    suffix: Annotated[
        str, typer.Option(help="Only fakes whose name ends in this, before the extension: _fake_B in a host's results.")
    ] = "",
    features: Annotated[
        str, typer.Option(metavar="NAME", help="inception, or module:attribute (its code is run).")
    ] = "inception",
    weights: Annotated[
        Path | None,
        typer.Option(help="Inception's weights; by default from TORCH_HOME/hub/checkpoints, else downloaded."),
    ] = None,
    subsets: Annotated[int, typer.Option(help="How many random subsets.")] = 100,
    subset_size: Annotated[
        str, typer.Option(metavar="N", help="Images in a subset; auto: 1000, or the size of the smallest folder.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed draws the same subsets.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Changes only speed and memory.")] = 32,
    label: Label = None,
    json: JsonOut = None,
    quiet: Quiet = False,
) -> None:
    """KID and FID of translated images against the target domain, and the mean KID of target and source."""
    from guidegan_plugin.evaluation.features import load_features
    from guidegan_plugin.evaluation.kid import evaluate_kid

    result = evaluate_kid(
        fake,
        target,
        source,
        features=load_features(features, weights),
        suffix=suffix,
        subsets=subsets,
        subset_size=_subset_size(subset_size),
        seed=seed,
        batch_size=batch_size,
        labels=parse_labels(label),
    )
    if tables_wanted(quiet, json):
        show_table(_kid_table(result))
    write_json(result.as_dict(), json)


def _subset_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise ConfigError(f"subset_size: expected auto or a number, found {text!r}; change --subset-size")
    return int(text)


def _kid_table(result: KidResult) -> Table:
    fid = "none" if result.fid is None else f"{result.fid:.2f}"
    drawn = f"{result.images['fake']} fakes, {result.subsets} subsets of {result.subset_size}, seed {result.seed}"
    below = f"{drawn}; FID to target {fid}"
    # A title is wrapped at the table's width, which is small; a name in two halves is hard to copy.
    width = max(len(result.title), len(below))
    table = Table("against", "x100", "std", "images", title=result.title, caption=below, min_width=width)
    for name, score in (("target", result.target), ("source", result.source), ("mean", result.mean)):
        if score is not None:
            table.add_row(name, f"{score.kid_x100:.3f}", f"{score.std_x100:.3f}", str(result.images.get(name, "")))
    return table
