"""The paper's numbers, against a second copy: read column by column where the tables are written row by row."""

from __future__ import annotations

import pytest

from guidegan_plugin.reports.paper_tables import PAPER_TABLES, paper_direction, paper_row

# fmt: off
COLUMNS = {
    1: "7.25 6.31 10.80 10.06 | 3.69 2.99 7.26 6.81 | 1.86 1.98 2.37 1.34 | 1.01 1.03 1.76 1.73 |"
       "4.02 3.69 5.93 5.54 | 4.11 4.30 6.70 6.47 | 1.04 1.18 1.45 0.82 | 1.23 1.55 1.71 1.72",
    2: "8.48 13.32 10.61 17.41 6.31 | 5.94 11.19 4.57 7.26 2.99 | 3.94 12.42 4.12 12.25 1.03 |"
       "4.87 12.21 4.46 12.37 3.42 | 2.63 5.37 8.09 2.83 2.76 | 7.68 8.49 7.85 11.00 6.96 |"
       "2.78 8.05 3.45 6.20 1.98 | 1.86 8.72 2.75 5.99 1.03",
    3: "11.02 9.15 6.44 11.68 3.69 | 9.82 8.31 5.32 10.48 4.30 | 10.25 7.14 6.93 4.91 8.42 |"
       "11.44 4.50 6.71 4.39 8.46 | 1.95 3.43 4.14 2.48 2.48 | 3.63 5.18 4.97 6.12 4.58 |"
       "2.05 3.95 3.15 3.51 1.18 | 3.34 4.14 2.45 2.83 1.55",
    4: "0.42 0.48 0.37 0.47 0.52 0.49 | 0.15 0.17 0.11 0.16 0.20 0.19 | 0.10 0.11 0.09 0.11 0.12 0.10 |"
       "0.56 0.58 0.49 0.61 0.60 0.59 | 0.21 0.18 0.14 0.21 0.24 0.23 | 0.17 0.14 0.10 0.17 0.19 0.19",
    5: "0.22 0.57 0.61 0.63 0.63 | 0.05 0.20 0.22 0.23 0.22 | 0.01 0.14 0.16 0.16 0.16 |"
       "0.32 0.71 0.80 0.81 0.75 | 0.08 0.26 0.43 0.42 0.40 | 0.02 0.21 0.32 0.32 0.30",
}
SPREADS = {
    1: "0.83 0.60 0.71 0.64 | 0.41 0.38 0.47 0.45 | 0.24 0.33 0.35 0.29 | 0.23 0.26 0.37 0.30 |"
       "0.37 0.27 0.31 0.31 | 0.31 0.31 0.36 0.37 | 0.12 0.16 0.18 0.14 | 0.12 0.13 0.15 0.15",
    2: "0.53 0.52 0.79 1.13 0.60 | 0.65 0.51 0.30 0.57 0.38 | 0.41 0.74 0.80 0.74 0.35 |"
       "0.52 0.89 0.40 0.84 0.51 | 0.20 0.43 0.37 0.30 0.32 | 0.35 0.34 0.29 0.53 0.38 |"
       "0.22 0.37 0.43 0.25 0.33 | 0.26 0.47 0.20 0.28 0.26",
    3: "0.60 0.43 0.69 0.43 0.27 | 0.51 0.48 0.48 0.67 0.31 | 0.25 0.48 0.27 0.36 0.47 |"
       "0.38 0.36 0.27 0.33 0.41 | 0.13 0.20 0.14 0.16 0.15 | 0.20 0.23 0.18 0.29 0.23 |"
       "0.12 0.17 0.19 0.15 0.16 | 0.12 0.21 0.13 0.12 0.13",
}
# fmt: on


@pytest.mark.parametrize("number", COLUMNS)
def test_every_score_is_as_printed(number: int) -> None:
    rows = list(PAPER_TABLES[number].values())
    columns = list(rows[0])
    assert all(list(row) == columns for row in rows)
    printed = [[row[column].split(" ± ") for row in rows] for column in columns]
    assert [[score[0] for score in column] for column in printed] == [c.split() for c in COLUMNS[number].split("|")]
    if number in SPREADS:
        assert [[score[1] for score in column] for column in printed] == [c.split() for c in SPREADS[number].split("|")]


def test_a_score_that_two_tables_print_is_the_same_in_both() -> None:
    for (direction, score), text in PAPER_TABLES[1]["PHA+RHP"].items():
        assert PAPER_TABLES[2 if score == "target" else 3]["Ours (PHA+RHP)"][direction, score] == text


def test_our_methods_have_their_siblings() -> None:
    assert paper_row(2, "bare") == paper_row(4, "cycle_gan") == "CycleGAN"
    assert paper_row(5, "bare") == "pix2pix"
    assert paper_row(1, "pha+alpha") == "PHA+Alpha"
    assert paper_row(3, "PHA + RHP") == "Ours (PHA+RHP)"
    assert paper_row(1, "bare") is None and paper_row(3, "tam+rhp") is None and paper_row(2, "pha+rhp+anneal") is None


def test_a_direction_is_the_papers_only_with_the_papers_data() -> None:
    assert paper_direction(2, "horse2zebra", "Horse → Zebra") == "horse->zebra"
    assert paper_direction(2, "", "oranges->apples") == "orange->apple"
    assert paper_direction(3, "summer2winter_yosemite", "winter->summer") == "winter->summer"
    assert paper_direction(2, "my_horses", "horse->zebra") is None
    assert paper_direction(1, "horse2zebra", "horse->zebra") is None, "table 1 has no horses"
    assert paper_direction(4, "cityscapes", "labels->photos") == "label->photo"
    assert paper_direction(4, "camvid", "label->photo") is None and paper_direction(4, "", "label->photo") is None
