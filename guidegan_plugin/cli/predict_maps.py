"""``guidegan predict-maps``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli.console import JsonOut, Quiet, show_table, tables_wanted, write_json


def predict_maps(
    ckpt: Annotated[Path, typer.Argument(help="A folder of checkpoints, or a store, <epoch>_guide.safetensors.")],
    epoch: Annotated[str, typer.Option(help="Which epoch in a folder of checkpoints.")] = "latest",
    data: Annotated[
        Path | None, typer.Option(help="The folder that the images' names are relative to; by default the training's.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(min=1, help="Passes over the images; by default 16, more if there are few.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to train: cpu, or cuda.")] = "cpu",
    quiet: Quiet = False,
    json: JsonOut = None,
) -> None:
    """Train the small network of --guide_test_map predict, which says from an image where D would look."""
    from dataclasses import asdict

    from guidegan_plugin.plugins.find_host import host_of_run, registered_hosts
    from guidegan_plugin.plugins.host import Host
    from guidegan_plugin.prediction.making import make_predictors, store_of

    store = store_of(ckpt, epoch)
    host = host_of_run(store.parent, registered_hosts()) or Host
    path, found = make_predictors(store, host.sources(store.parent, data), passes, device)
    if tables_wanted(quiet, json):
        title = "Correlation with where D looked, of images held out"
        table = Table("pair", "images", "held out", "predicted map", "mean map", title=title)
        for pair, told in found.items():
            scores = f"{told.correlation:.3f}", f"{told.mean_correlation:.3f}"
            table.add_row(pair, str(told.images), str(told.held_out), *scores)
        show_table(table)
        typer.echo(f"{path}: a test with --guide_test_map predict uses it")
    write_json({"predictor": str(path), "pairs": {pair: asdict(told) for pair, told in found.items()}}, json)
