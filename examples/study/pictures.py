"""Inputs and outputs side by side: a row an image, a column a method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from settings import Study

from guidegan_plugin.utils.images import list_images

ROWS, HEAD, GAP = 6, 14, 2


def draw_samples(study: Study, inputs: Path, outputs: Sequence[tuple[str, Path]], path: Path) -> bool:
    """Write a grid of the first test images.

    Args:
        study: The study.
        inputs: Folder of the inputs.
        outputs: Name and folder of outputs, or of maps, of each method that has some.
        path: Of the picture, PNG.

    Returns:
        False, and nothing is written, where no method has any.
    """
    if not outputs:
        return False
    columns = [("input", inputs), *outputs]
    side = study.data.size
    names = [image.name for image in list_images(inputs)[:ROWS]]
    width = max(side, 6 * max(len(name) for name, _ in columns)) + GAP
    grid = Image.new("RGB", (width * len(columns), HEAD + (side + GAP) * len(names)), "white")
    draw = ImageDraw.Draw(grid)
    for column, (title, folder) in enumerate(columns):
        draw.text((column * width, 1), title, fill="black")
        for row, name in enumerate(names):
            with Image.open(folder / name) as image:
                shown = image.convert("RGB").resize((side, side))
                grid.paste(shown, (column * width, HEAD + row * (side + GAP)))
    grid.save(path)
    return True
