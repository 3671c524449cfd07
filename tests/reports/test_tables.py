"""How results become tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.reports.paper_tables import NOTICE
from guidegan_plugin.reports.result_files import read_results
from guidegan_plugin.reports.tables import Table, arrange

HORSES = {"dataset": "horse2zebra", "direction": "horse->zebra"}
Shown = dict[str, list[str | None]]


def tables_of(folder: Path, paper: bool = False) -> dict[str, Table]:
    return {table.title: table for table in arrange(read_results([folder])[0], paper)}


def shown(table: Table) -> Shown:
    """Texts by row; the best between stars."""
    return {
        name: [cell and (f"*{cell.text}*" if cell.best else cell.text) for cell in cells] for name, cells in table.rows
    }


def test_seeds_are_averaged_with_their_standard_deviation_and_count(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    for seed, score in enumerate((1.0, 2.0, 6.0)):
        kid_result(tmp_path / f"{seed}.json", score, method="bare", seed=str(seed), **HORSES)
    kid_result(tmp_path / "one.json", 4.0, method="pha+rhp", seed="0", **HORSES)
    table = tables_of(tmp_path)["Table 2: KID × 100, target only"]
    assert table.columns[0].heading == ("horse2zebra", "horse->zebra")
    # sqrt((4 + 1 + 9) / 2) = 2.6458
    assert shown(table) == {"bare": ["*3.00 ± 2.65 (n=3)*"], "pha+rhp": ["4.00 (n=1, ± 0.50 over subsets)"]}


def test_the_lowest_kid_and_the_highest_accuracy_are_best_and_ties_all_are(
    tmp_path: Path, kid_result: Callable[..., Path], fcn_result: Callable[..., Path]
) -> None:
    for method, score in {"bare": 2.001, "pha+rhp": 1.999, "random": -0.5, "zeros": -0.5}.items():
        kid_result(tmp_path / f"{method}.json", score, method=method)
    for method, score in {"bare": 0.5001, "pha+rhp": 0.4999, "random": 0.4}.items():
        fcn_result(tmp_path / f"fcn_{method}.json", score, 0.1, 0.2, method=method, direction="label->photo")
    tables = tables_of(tmp_path)
    best = {name: [bool(cell and cell.best) for cell in cells] for name, cells in tables["FCN scores"].rows}
    assert best == {"bare": [True] * 3, "pha+rhp": [True] * 3, "random": [False, True, True]}
    rows = tables["Table 2: KID × 100, target only"].rows
    assert [name for name, cells in rows if cells[0] and cells[0].best] == ["random", "zeros"]


def test_a_mean_just_below_zero_has_no_sign(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", -0.003, method="bare")
    kid_result(tmp_path / "b.json", -0.006, method="pha+rhp")
    for seed, score in enumerate((-0.01, 0.004)):
        kid_result(tmp_path / f"{seed}.json", score, method="random", seed=str(seed))
    rows = shown(tables_of(tmp_path)["Table 2: KID × 100, target only"])
    assert {name: str(cell).strip("*").split()[0] for name, (cell,) in rows.items()} == {
        "bare": "0.00",
        "pha+rhp": "-0.01",
        "random": "0.00",
    }


def test_last_and_best_epoch_never_share_a_table(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare", epoch="best")
    kid_result(tmp_path / "b.json", 2, method="bare", epoch="last")
    tables = tables_of(tmp_path)
    assert list(tables) == [f"Table 2: KID × 100, target only, epoch {epoch}" for epoch in ("last", "best")]
    assert [shown(table)["bare"][0] for table in tables.values()] == [
        f"*{score} (n=1, ± 0.50 over subsets)*" for score in ("2.00", "1.00")
    ]


def test_other_features_have_tables_of_their_own_without_the_papers_scores(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    kid_result(tmp_path / "a.json", 1, 1, method="pha+rhp", **HORSES)
    kid_result(tmp_path / "b.json", 2, 2, method="pha+rhp", features="mine:net", **HORSES)
    tables = tables_of(tmp_path, paper=True)
    assert list(tables) == [
        "Table 1: KID × 100, combinations of attention and concatenation",
        "KID (features: mine:net) × 100, combinations of attention and concatenation",
        "Table 2: KID × 100, target only",
        "KID (features: mine:net) × 100, target only",
        "Table 3: KID × 100, mean of target and source",
        "KID (features: mine:net) × 100, mean of target and source",
    ]
    for title, table in tables.items():
        scores = {cell.text[:4] for _, cells in table.rows for cell in cells if cell and "subsets" in cell.text}
        assert scores == ({"2.00"} if "mine:net" in title else {"1.00"})
        assert any(column.paper for column in table.columns) == title.startswith(("Table 2", "Table 3"))


def test_another_evaluator_has_a_column_of_its_own(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare", weights_sha256="aaaa")
    kid_result(tmp_path / "b.json", 2, method="pha+tam", weights_sha256="bbbb")
    table = tables_of(tmp_path)["Table 2: KID × 100, target only"]
    assert [column.heading for column in table.columns] == [("weights_sha256 aaaa",), ("weights_sha256 bbbb",)]
    assert [[bool(cell and cell.best) for cell in cells] for _, cells in table.rows] == [[True, False], [False, True]]


def test_the_first_table_has_combinations_only_target_before_mean(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    for number, method in enumerate(("bare", "tam+rhp", "PHA+Alpha", "pha+rhp+anneal")):
        for end in ("apple->orange", "orange->apple"):
            kid_result(tmp_path / f"{method}{end[:2]}.json", number, number + 0.5, method=method, direction=end)
    table = tables_of(tmp_path, paper=True)["Table 1: KID × 100, combinations of attention and concatenation"]
    headings = [column.heading for column in table.columns]
    assert headings[::2] == [
        ("apple->orange", "target KID"),
        ("orange->apple", "target KID"),
        ("apple->orange", "mean KID"),
        ("orange->apple", "mean KID"),
    ]
    assert headings[1] == ("apple->orange", "target KID", NOTICE)
    rows = shown(table)
    assert list(rows) == ["PHA+Alpha", "tam+rhp", "paper: PHA+RHP", "paper: TAM+Alpha"]
    assert rows["PHA+Alpha"][:2] == ["2.00 (n=1, ± 0.50 over subsets)", "7.25 ± 0.83"]
    assert rows["tam+rhp"][-2:] == ["*1.50 (n=1, ± 0.25 over subsets)*", "6.47 ± 0.37"]


def test_the_papers_column_stands_apart_names_its_method_and_never_competes(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    kid_result(tmp_path / "a.json", 9, method="bare", **HORSES)
    kid_result(tmp_path / "b.json", 8, method="pha+rhp", **HORSES)
    kid_result(tmp_path / "c.json", 7, method="bare", dataset="shapes", direction="plain->striped")
    table = tables_of(tmp_path, paper=True)["Table 2: KID × 100, target only"]
    assert [column.paper for column in table.columns] == [False, True, False]
    assert shown(table) == {
        "bare": ["9.00 (n=1, ± 0.50 over subsets)", "3.94 ± 0.41, CycleGAN", "*7.00 (n=1, ± 0.50 over subsets)*"],
        "pha+rhp": ["*8.00 (n=1, ± 0.50 over subsets)*", "1.03 ± 0.35", None],
        "paper: StarGAN": [None, "12.42 ± 0.74", None],
        "paper: AGGAN": [None, "4.12 ± 0.80", None],
        "paper: UNIT": [None, "12.25 ± 0.74", None],
    }
    bare = tables_of(tmp_path, paper=False)["Table 2: KID × 100, target only"]
    assert list(shown(bare)) == ["bare", "pha+rhp"] and not any(column.paper for column in bare.columns)


@pytest.mark.parametrize(
    ("setting", "title", "printed"),
    [
        ("unpaired", "Table 4: FCN scores, unpaired", "0.42, CycleGAN"),
        ("paired", "Table 5: FCN scores, paired", "0.61, pix2pix"),
        ("", "FCN scores", None),
    ],
)
def test_the_setting_says_which_table_fcn_scores_belong_to(
    tmp_path: Path, fcn_result: Callable[..., Path], setting: str, title: str, printed: str | None
) -> None:
    labels = {"dataset": "cityscapes", "direction": "label->photo", "method": "bare"}
    fcn_result(tmp_path / "a.json", 0.5, 0.25, 0.125, **labels, setting=setting)
    (table,) = tables_of(tmp_path, paper=True).values()
    assert table.title == title
    row = shown(table)["bare"]
    assert row[0] == "*0.500 (n=1)*"
    assert (row[1] if printed else None) == printed
    assert bool(table.notes) == (not setting)


def test_kid_of_paired_training_is_not_the_papers(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare", setting="paired", **HORSES)
    kid_result(tmp_path / "b.json", 1, method="bare", setting="unpaired", **HORSES)
    tables = tables_of(tmp_path, paper=True)
    assert {title: len(table.columns) for title, table in tables.items()} == {
        "KID × 100, target only, paired": 1,
        "Table 2: KID × 100, target only, unpaired": 2,
    }


def test_a_column_whose_results_differ_in_circumstance_says_so(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare", **HORSES)
    path = kid_result(tmp_path / "b.json", 1, method="pha+rhp", **HORSES)
    assert tables_of(tmp_path)["Table 2: KID × 100, target only"].notes == ()
    path.write_text(path.read_text().replace('"subset_size": 9', '"subset_size": 5'))
    notes = tables_of(tmp_path)["Table 2: KID × 100, target only"].notes
    assert notes == ("horse2zebra, horse->zebra: the results differ in subset size.",)


def test_attention_quality_has_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"metric": "attention", "images": 3, "pointing_game": 1.0, "energy": 0.5, "auc": 0.75, "iou": 0.25,'
        ' "region_share": 0.1, "labels": {"method": "pha+rhp"}}'
    )
    table = tables_of(tmp_path)["Attention quality"]
    assert [column.heading for column in table.columns] == [("pointing game",), ("energy",), ("auc",), ("iou",)]
    assert shown(table)["pha+rhp"] == [f"*{score} (n=1)*" for score in ("1.000", "0.500", "0.750", "0.250")]
