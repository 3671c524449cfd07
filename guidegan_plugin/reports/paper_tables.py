"""The paper's own scores, as it prints them; to be shown beside ours, never to be compared with them.

KID differs between papers for one and the same model, and FCN scores with the segmenter and the images' compression:
another host and another evaluator made these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

Column = tuple[str, str]  # direction, and the score's name
PaperTable = Mapping[str, Mapping[Column, str]]  # row -> column -> the score as printed

NOTICE = "paper; not comparable: other host, other evaluator"


def _table(columns: tuple[Column, ...], rows: Mapping[str, str]) -> PaperTable:
    return {row: dict(zip(columns, cells.split(" | "), strict=True)) for row, cells in rows.items()}


def _crossed(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple((one, other) for one in first for other in second)


_FRUIT = ("apple->orange", "orange->apple")
_HORSES = ("horse->zebra", "zebra->horse")
_HOURS = ("day->night", "night->day")
_SEASONS = ("summer->winter", "winter->summer")
_COMBINED = _FRUIT + _SEASONS
_ALL = _FRUIT + _HORSES + _HOURS + _SEASONS
_STREETS = ("label->photo", "photo->label")
_FCN = ("per_pixel_accuracy", "per_class_accuracy", "class_iou")

# KID x 100 and its standard deviation x 100, lower is better. The combinations: target only, then mean.
_TABLE_1 = _table(
    tuple((direction, "target") for direction in _COMBINED) + tuple((direction, "mean") for direction in _COMBINED),
    {
        "PHA+Alpha": "7.25 ± 0.83 | 3.69 ± 0.41 | 1.86 ± 0.24 | 1.01 ± 0.23"
        " | 4.02 ± 0.37 | 4.11 ± 0.31 | 1.04 ± 0.12 | 1.23 ± 0.12",
        "PHA+RHP": "6.31 ± 0.60 | 2.99 ± 0.38 | 1.98 ± 0.33 | 1.03 ± 0.26"
        " | 3.69 ± 0.27 | 4.30 ± 0.31 | 1.18 ± 0.16 | 1.55 ± 0.13",
        "TAM+Alpha": "10.80 ± 0.71 | 7.26 ± 0.47 | 2.37 ± 0.35 | 1.76 ± 0.37"
        " | 5.93 ± 0.31 | 6.70 ± 0.36 | 1.45 ± 0.18 | 1.71 ± 0.15",
        "TAM+RHP": "10.06 ± 0.64 | 6.81 ± 0.45 | 1.34 ± 0.29 | 1.73 ± 0.30"
        " | 5.54 ± 0.31 | 6.47 ± 0.37 | 0.82 ± 0.14 | 1.72 ± 0.15",
    },
)
# KID with the target domain only.
_TABLE_2 = _table(
    _crossed(_ALL, ("target",)),
    {
        "CycleGAN": "8.48 ± 0.53 | 5.94 ± 0.65 | 3.94 ± 0.41 | 4.87 ± 0.52"
        " | 2.63 ± 0.20 | 7.68 ± 0.35 | 2.78 ± 0.22 | 1.86 ± 0.26",
        "StarGAN": "13.32 ± 0.52 | 11.19 ± 0.51 | 12.42 ± 0.74 | 12.21 ± 0.89"
        " | 5.37 ± 0.43 | 8.49 ± 0.34 | 8.05 ± 0.37 | 8.72 ± 0.47",
        "AGGAN": "10.61 ± 0.79 | 4.57 ± 0.30 | 4.12 ± 0.80 | 4.46 ± 0.40"
        " | 8.09 ± 0.37 | 7.85 ± 0.29 | 3.45 ± 0.43 | 2.75 ± 0.20",
        "UNIT": "17.41 ± 1.13 | 7.26 ± 0.57 | 12.25 ± 0.74 | 12.37 ± 0.84"
        " | 2.83 ± 0.30 | 11.00 ± 0.53 | 6.20 ± 0.25 | 5.99 ± 0.28",
        "Ours (PHA+RHP)": "6.31 ± 0.60 | 2.99 ± 0.38 | 1.03 ± 0.35 | 3.42 ± 0.51"
        " | 2.76 ± 0.32 | 6.96 ± 0.38 | 1.98 ± 0.33 | 1.03 ± 0.26",
    },
)
# The mean of KID with the target and with the source domain.
_TABLE_3 = _table(
    _crossed(_ALL, ("mean",)),
    {
        "CycleGAN": "11.02 ± 0.60 | 9.82 ± 0.51 | 10.25 ± 0.25 | 11.44 ± 0.38"
        " | 1.95 ± 0.13 | 3.63 ± 0.20 | 2.05 ± 0.12 | 3.34 ± 0.12",
        "StarGAN": "9.15 ± 0.43 | 8.31 ± 0.48 | 7.14 ± 0.48 | 4.50 ± 0.36"
        " | 3.43 ± 0.20 | 5.18 ± 0.23 | 3.95 ± 0.17 | 4.14 ± 0.21",
        "AGGAN": "6.44 ± 0.69 | 5.32 ± 0.48 | 6.93 ± 0.27 | 6.71 ± 0.27"
        " | 4.14 ± 0.14 | 4.97 ± 0.18 | 3.15 ± 0.19 | 2.45 ± 0.13",
        "UNIT": "11.68 ± 0.43 | 10.48 ± 0.67 | 4.91 ± 0.36 | 4.39 ± 0.33"
        " | 2.48 ± 0.16 | 6.12 ± 0.29 | 3.51 ± 0.15 | 2.83 ± 0.12",
        "Ours (PHA+RHP)": "3.69 ± 0.27 | 4.30 ± 0.31 | 8.42 ± 0.47 | 8.46 ± 0.41"
        " | 2.48 ± 0.15 | 4.58 ± 0.23 | 1.18 ± 0.16 | 1.55 ± 0.13",
    },
)
# FCN scores on Cityscapes, higher is better: unpaired (the paper's "unsupervised"), then paired.
_TABLE_4 = _table(
    _crossed(_STREETS, _FCN),
    {
        "CycleGAN": "0.42 | 0.15 | 0.10 | 0.56 | 0.21 | 0.17",
        "UNIT": "0.48 | 0.17 | 0.11 | 0.58 | 0.18 | 0.14",
        "AGGAN": "0.37 | 0.11 | 0.09 | 0.49 | 0.14 | 0.10",
        "StarGAN": "0.47 | 0.16 | 0.11 | 0.61 | 0.21 | 0.17",
        "Ours (PHA)": "0.52 | 0.20 | 0.12 | 0.60 | 0.24 | 0.19",
        "Ours (TAM)": "0.49 | 0.19 | 0.10 | 0.59 | 0.23 | 0.19",
    },
)
_TABLE_5 = _table(
    _crossed(_STREETS, _FCN),
    {
        "GAN": "0.22 | 0.05 | 0.01 | 0.32 | 0.08 | 0.02",
        "cGAN": "0.57 | 0.20 | 0.14 | 0.71 | 0.26 | 0.21",
        "pix2pix": "0.61 | 0.22 | 0.16 | 0.80 | 0.43 | 0.32",
        "Ours (PHA)": "0.63 | 0.23 | 0.16 | 0.81 | 0.42 | 0.32",
        "Ours (TAM)": "0.63 | 0.22 | 0.16 | 0.75 | 0.40 | 0.30",
    },
)
PAPER_TABLES: Mapping[int, PaperTable] = {1: _TABLE_1, 2: _TABLE_2, 3: _TABLE_3, 4: _TABLE_4, 5: _TABLE_5}

# Names a method of ours may have, for the paper's row it is a sibling of; a row's own name always is one.
_SIBLINGS: Mapping[int, Mapping[str, str]] = {
    2: {"bare": "CycleGAN", "pha+rhp": "Ours (PHA+RHP)"},
    3: {"bare": "CycleGAN", "pha+rhp": "Ours (PHA+RHP)"},
    # Section 4.3: only RHP was used for Cityscapes.
    4: {"bare": "CycleGAN", "pha+rhp": "Ours (PHA)", "tam+rhp": "Ours (TAM)"},
    5: {"bare": "pix2pix", "pha+rhp": "Ours (PHA)", "tam+rhp": "Ours (TAM)"},
}


def plain(name: str) -> str:
    """Reduce a name to what spelling does not change: ``Cycle_GAN`` and ``CycleGAN`` are one."""
    return "".join(character for character in name.lower().replace("→", ">") if character not in " _-")


def paper_row(number: int, method: str) -> str | None:
    """Find the paper's sibling of a method.

    Args:
        number: of the paper's table, 1 to 5.
        method: a label of ours, such as ``bare`` (CycleGAN; pix2pix in table 5) or ``pha+rhp``.

    Returns:
        The row's name, or None where the paper has no such method.
    """
    rows = {plain(row): row for row in PAPER_TABLES[number]} | dict(_SIBLINGS.get(number, {}))
    return rows.get(plain(method))


def paper_direction(number: int, dataset: str, direction: str) -> str | None:
    """Find the paper's direction that a result is about.

    Args:
        number: of the paper's table, 1 to 5.
        dataset: a label; ``summer2winter_yosemite`` is the paper's summer2winter. It may be empty for the directions
            of tables 1 to 3, but not for labels and photos, which other data sets have too.
        direction: a label, such as ``horse->zebra`` or ``labels->photos``.

    Returns:
        The direction as the columns of ``PAPER_TABLES`` have it, or None where the paper has no such scores.
    """
    wanted = ">".join(end.removesuffix("s") for end in plain(direction).split(">"))
    named = plain(dataset)
    for known in {column[0] for row in PAPER_TABLES[number].values() for column in row}:
        first, last = known.split("->")
        datasets = ("cityscapes",) if number > 3 else (f"{first}2{last}", f"{last}2{first}")
        if plain(known) == wanted and (named.startswith(datasets) or (not named and number <= 3)):
            return known
    return None
