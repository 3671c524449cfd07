"""``guidegan evaluate attention``, ``classes`` and ``class-attention``: where the discriminator looks, and at what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli.console import JsonOut, Label, Quiet, parse_labels, show_table, tables_wanted, write_json
from guidegan_plugin.cli.evaluate_fcn import PaletteName, Truth, TruthSuffix
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.progress import progress

if TYPE_CHECKING:
    from guidegan_plugin.evaluation.class_attention import ClassAttention

MapSuffix = Annotated[str, typer.Option(help="The end of a map's name, before the extension.")]


def attention(
    maps: Annotated[Path, typer.Option(help="Folder of attention maps: a host's results, from --guide_show.")],
    regions: Annotated[Path, typer.Option(help="Folder of <stem>.png: zero outside the region to be found.")],
    suffix: MapSuffix = "_attention_A",
    label: Label = None,
    json: JsonOut = None,
    quiet: Quiet = False,
) -> None:
    """Measure how well attention maps find known regions: pointing game, energy, AUC, IoU."""
    from dataclasses import asdict

    from guidegan_plugin.evaluation.attention_statistics import attention_quality
    from guidegan_plugin.evaluation.optional_packages import versions

    labels = parse_labels(label)
    found = asdict(attention_quality(maps, regions, suffix))
    if tables_wanted(quiet, json):
        table = Table("measure", "value", title=f"Attention of {found['images']} images")
        for name, value in found.items():
            if name != "images":
                table.add_row(name.replace("_", " "), f"{value:.4f}")
        show_table(table)
    write_json({"metric": "attention", **found, "labels": labels, "versions": versions()}, json)


def classes(
    truth: Truth,
    palette: PaletteName,
    out: Annotated[Path, typer.Option(help="Folder for classes.csv and classes.png.")],
    truth_suffix: TruthSuffix = "",
    quiet: Quiet = False,
) -> None:
    """Count how many images show each class, and how many pixels each class takes."""
    from guidegan_plugin.evaluation.class_statistics import class_frequencies, write_frequencies
    from guidegan_plugin.evaluation.palette_file import load_palette

    images, found = class_frequencies(truth, load_palette(palette), truth_suffix)
    write_frequencies(found, out)
    if not quiet:
        table = Table("class", "images", "presence", "pixel frequency", title=f"Classes of {images} images")
        for row in found:
            table.add_row(row.name, str(row.images), f"{row.presence:.4f}", f"{row.frequency:.4f}")
        show_table(table)


def class_attention(
    truth: Truth,
    palette: PaletteName,
    out: Annotated[Path, typer.Option(help="Folder for class_attention.csv and class_attention.png.")],
    store: Annotated[
        list[Path] | None,
        typer.Option(help="An <epoch>_guide.safetensors, or a folder of such files; repeatable."),
    ] = None,
    pair: Annotated[str | None, typer.Option(help="Which pair, if the store holds several: A or B.")] = None,
    maps: Annotated[Path | None, typer.Option(help="Instead of --store: a folder of attention maps.")] = None,
    suffix: Annotated[
        str | None,
        typer.Option(help="The end of an image's name after the stem; by default _attention_A for --maps."),
    ] = None,
    truth_suffix: TruthSuffix = "",
    alpha: Annotated[float, typer.Option(help="A pixel counts as attended above this value.")] = 0.5,
    quiet: Quiet = False,
) -> None:
    """Measure in which share of images each class is attended (half of its pixels above alpha), for each epoch."""
    from guidegan_plugin.evaluation import class_attention as statistics
    from guidegan_plugin.evaluation import map_sources as seen_maps
    from guidegan_plugin.evaluation.palette_file import load_palette
    from guidegan_plugin.evaluation.stems import images_by_stem

    if bool(store) == (maps is not None):
        raise ConfigError("class-attention: expected either stores or a folder of maps; pass --store or --maps")
    known, truths = load_palette(palette), images_by_stem(truth, "--truth", truth_suffix)
    found = {}
    if maps is not None:
        shown = seen_maps.maps_in_folder(maps, "_attention_A" if suffix is None else suffix)
        # That name says nothing, the folder's around it may.
        title = maps.parent.name if maps.name == "images" else maps.name
        found[title] = statistics.class_attention(progress(shown, "maps"), truths, known, alpha)
    for epoch, path in seen_maps.store_files(store or []).items():
        seen = seen_maps.maps_in_store(path, pair, suffix or "")
        found[epoch] = statistics.class_attention(progress(seen, f"epoch {epoch}"), truths, known, alpha)
    statistics.write_class_attention(found, out)
    if not quiet:
        show_table(_table(found))


def _table(found: dict[str, list[ClassAttention]]) -> Table:
    table = Table("class", *found, title="Share of images a class is attended in, of those that show it")
    for rows in zip(*found.values(), strict=True):
        table.add_row(rows[0].name, *("" if row.share is None else f"{row.share:.3f} of {row.images}" for row in rows))
    return table
