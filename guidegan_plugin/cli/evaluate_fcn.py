"""``guidegan evaluate fcn``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from guidegan_plugin.cli.console import JsonOut, Label, Quiet, parse_labels, show_table, tables_wanted, write_json

if TYPE_CHECKING:
    from guidegan_plugin.evaluation.fcn_score import FcnResult

PaletteName = Annotated[
    str,
    typer.Option(
        "--palette",
        metavar="NAME|FILE",
        help="camvid, cityscapes (by *_labelIds), cityscapes-trainids, or a file of lines: name r g b.",
    ),
]
Truth = Annotated[
    Path, typer.Option(help="Folder of label images: gray levels are ids, colours are looked up in the palette.")
]
TruthSuffix = Annotated[
    str, typer.Option(help="The end of a label image's name, before the extension: _gtFine_labelIds.")
]


def fcn(
    pred: Annotated[Path, typer.Option(help="Folder of translated images: photos (--segmenter) or label images.")],
    truth: Truth,
    palette: PaletteName,
    segmenter: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Segments photos: a TorchScript file, torchvision:NAME:FILE, or module:attribute (its code is run).",
        ),
    ] = None,
    suffix: Annotated[
        str,
        typer.Option(help="Only images whose name ends in this, before the extension: _fake_B in a host's results."),
    ] = "",
    truth_suffix: TruthSuffix = "",
    partial: Annotated[bool, typer.Option("--partial", help="Leave out label images that have no image.")] = False,
    resize: Annotated[bool, typer.Option("--resize", help="Bring images to the size of their label image.")] = False,
    device: Annotated[
        str, typer.Option(help="Where the segmenter runs: cpu, cuda, ...; auto: a GPU, if there is one.")
    ] = "auto",
    confusion: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw the confusion matrix into this file.")
    ] = None,
    label: Label = None,
    json: JsonOut = None,
    quiet: Quiet = False,
) -> None:
    """FCN scores: per-pixel accuracy, per-class accuracy and class IoU of translated photos or label images."""
    from guidegan_plugin.evaluation.fcn_score import evaluate_fcn
    from guidegan_plugin.evaluation.figures import draw_confusion
    from guidegan_plugin.evaluation.palette_file import load_palette
    from guidegan_plugin.evaluation.segmenter import load_segmenter

    classes = load_palette(palette)
    result = evaluate_fcn(
        pred,
        truth,
        classes,
        segmenter=None if segmenter is None else load_segmenter(segmenter, len(classes.classes)),
        suffix=suffix,
        truth_suffix=truth_suffix,
        partial=partial,
        resize=resize,
        device=device,
        labels=parse_labels(label),
    )
    if tables_wanted(quiet, json):
        show_table(_table(result))
    write_json(result.as_dict(), json)  # first: nothing is lost where the figure cannot be drawn
    if confusion is not None:
        draw_confusion(result.matrix, classes.names, confusion)


def _table(result: FcnResult) -> Table:
    table = Table("class", "accuracy", "IoU", "pixels", title=f"FCN scores of {result.images} images")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, scores in result.classes.items():
        table.add_row(name, _share(scores.accuracy), _share(scores.iou), f"{scores.pixels:,}")
    table.add_section()
    table.add_row("mean of classes", _share(result.per_class_accuracy), _share(result.class_iou), "")
    table.add_row("all pixels", _share(result.per_pixel_accuracy), "", f"{result.matrix.sum():,}")
    return table


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
