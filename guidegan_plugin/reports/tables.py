"""Results arranged as the paper's tables: methods down, directions across, seeds averaged."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from guidegan_plugin.reports.paper_tables import NOTICE, PAPER_TABLES, paper_direction, paper_row, plain
from guidegan_plugin.reports.result_files import ATTENTION_SCORES, FCN_SCORES, Result

_COMBINATIONS = ("pha+alpha", "pha+rhp", "tam+alpha", "tam+rhp")
_SETTINGS = {"unpaired": 4, "unsupervised": 4, "paired": 5, "supervised": 5}


@dataclass(frozen=True)
class Cell:
    """One score as shown; ``best``: nothing in its column is better, to the digits shown."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Column:
    """A column's heading, line by line; ``paper``: its scores are the paper's, and never compete."""

    heading: tuple[str, ...]
    paper: bool = False


@dataclass(frozen=True)
class Table:
    """A table to be shown.

    Attributes:
        title: one line.
        columns: n of them.
        rows: a method's name and its n cells; None where there is no score.
        notes: what a reader must know of this table.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Quantity:
    key: str
    name: str
    digits: int
    lowest: bool = False  # is best


_TARGET = _Quantity("target", "target KID", 2, lowest=True)
_MEAN = _Quantity("mean", "mean KID", 2, lowest=True)
_FID = _Quantity("fid", "FID", 2, lowest=True)
_FCN = tuple(
    _Quantity(key, name, 3)
    for key, name in zip(FCN_SCORES, ("per-pixel acc.", "per-class acc.", "class IoU"), strict=True)
)
_ATTENTION = tuple(_Quantity(key, key.replace("_", " "), 3) for key in ATTENTION_SCORES)


@dataclass(frozen=True)
class _Kind:
    """One arrangement of one metric; ``number`` is the paper's table, for plain KID and known settings."""

    metric: str
    title: str
    quantities: tuple[_Quantity, ...]
    number: int | None = None


_KINDS = (
    _Kind("kid", "{} × 100, combinations of attention and concatenation", (_TARGET, _MEAN), 1),
    _Kind("kid", "{} × 100, target only", (_TARGET,), 2),
    _Kind("kid", "{} × 100, mean of target and source", (_MEAN,), 3),
    _Kind("kid", "FID beside {}", (_FID,)),
    _Kind("fcn", "{}", _FCN),
    _Kind("attention", "{}", _ATTENTION),
)


@dataclass(frozen=True, order=True)
class _Place:
    """What a column's scores are about, and made with."""

    dataset: str
    direction: str
    evaluator: tuple[tuple[str, str], ...]


def arrange(results: Sequence[Result], paper: bool = True) -> list[Table]:
    """Arrange results as tables.

    Results with other features, another epoch label or another ``setting`` (paired, unpaired) stand in tables of their
    own; those made by another evaluator, in columns of their own.

    Args:
        results: of any metric.
        paper: whether the paper's scores stand beside plain KID, and FCN scores of Cityscapes.

    Returns:
        The tables, in the paper's order.
    """
    tables = []
    for kind in _KINDS:
        groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
        for result in results:
            wanted = kind.number != 1 or plain(result.labels["method"]) in _COMBINATIONS
            if wanted and result.metric == kind.metric and any(one.key in result.scores for one in kind.quantities):
                key = result.title, result.labels.get("setting", ""), result.labels.get("epoch", "")
                groups[key].append(result)
        tables += [_Arrangement(kind, *key, groups[key], paper).table() for key in sorted(groups, key=_order)]
    return tables


def _order(key: tuple[str, str, str]) -> tuple[object, ...]:
    """Plain KID, the shortest title, before KID of other features; the best epoch, an afterthought, last."""
    title, setting, epoch = key
    return len(title), title, setting, epoch == "best", len(epoch), epoch


class _Arrangement:
    """One table on its way."""

    def __init__(
        self, kind: _Kind, title: str, setting: str, epoch: str, results: Sequence[Result], paper: bool
    ) -> None:
        self.kind, self.title, self.setting, self.epoch = kind, title, setting, epoch
        self.cells: dict[tuple[str, _Place], list[Result]] = defaultdict(list)
        for result in results:
            labels = result.labels
            place = _Place(labels.get("dataset", ""), labels.get("direction", ""), result.evaluator)
            self.cells[labels["method"], place].append(result)
        self.methods = sorted({method for method, _ in self.cells}, key=_rank)
        self.places = sorted({place for _, place in self.cells})
        self.number = self._number()
        self.paper = PAPER_TABLES[self.number] if paper and self.number else {}
        claimed = {paper_row(self.number, method) for method in self.methods} if self.number else set()
        self.unclaimed = [row for row in self.paper if row not in claimed]

    def _number(self) -> int | None:
        if self.kind.metric == "fcn":
            return _SETTINGS.get(self.setting)
        return self.kind.number if self.title == "KID" and _SETTINGS.get(self.setting) != 5 else None

    def table(self) -> Table:
        columns: list[Column] = []
        filled: list[list[Cell | None]] = []
        from_paper = False
        for place, quantity in self._pairs():
            heading = self._heading(place, quantity)
            columns.append(Column(heading))
            filled.append([*self._scores(place, quantity), *[None] * len(self.unclaimed)])
            printed = self._printed(place, quantity)
            if any(printed):
                from_paper = True
                columns.append(Column((*heading, NOTICE), paper=True))
                filled.append(printed)
        names = [*self.methods, *(f"paper: {row}" for row in self.unclaimed if from_paper)]
        rows = tuple((name, tuple(column[index] for column in filled)) for index, name in enumerate(names))
        return Table(self._title(), tuple(columns), rows, tuple(self._notes()))

    def _title(self) -> str:
        title = self.kind.title.format(self.title)
        parts = [f"Table {self.number}: {title}" if self.number else title, self.setting]
        return ", ".join(filter(None, [*parts, self.epoch and f"epoch {self.epoch}"]))

    def _pairs(self) -> list[tuple[_Place, _Quantity]]:
        pairs = [(place, quantity) for place in self.places for quantity in self.kind.quantities]
        if self.kind.number == 1:  # The paper's left half is the target's, its right half the mean's.
            pairs.sort(key=lambda pair: self.kind.quantities.index(pair[1]))
        return [pair for pair in pairs if any(self._values(method, *pair) for method in self.methods)]

    def _values(self, method: str, place: _Place, quantity: _Quantity) -> list[float]:
        found = self.cells.get((method, place), [])
        return [result.scores[quantity.key] for result in found if quantity.key in result.scores]

    def _heading(self, place: _Place, quantity: _Quantity) -> tuple[str, ...]:
        siblings = [dict(other.evaluator) for other in self.places if _about(other) == _about(place)]
        differing = [
            f"{key} {value[:16]}" for key, value in place.evaluator if any(s.get(key) != value for s in siblings)
        ]
        name = quantity.name if len(self.kind.quantities) > 1 else ""
        lines = tuple(filter(None, [*_about(place), name, *differing]))
        return lines or ("all images",)

    def _scores(self, place: _Place, quantity: _Quantity) -> list[Cell | None]:
        values = {method: found for method in self.methods if (found := self._values(method, place, quantity))}
        shown = {method: round(statistics.fmean(found), quantity.digits) for method, found in values.items()}
        best = (min if quantity.lowest else max)(shown.values())
        cells: list[Cell | None] = []
        for method in self.methods:
            if method not in values:
                cells.append(None)
                continue
            spread = self.cells[method, place][0].spreads.get(quantity.key)
            cells.append(Cell(_text(values[method], spread, quantity.digits), shown[method] == best))
        return cells

    def _printed(self, place: _Place, quantity: _Quantity) -> list[Cell | None]:
        """The paper's column beside one of ours; empty where it has none."""
        direction = paper_direction(self.number, *_about(place)) if self.paper and self.number else None
        if direction is None or self.number is None:
            return [None] * (len(self.methods) + len(self.unclaimed))
        cells: list[Cell | None] = []
        for method in self.methods:
            row = paper_row(self.number, method)
            score = self.paper[row].get((direction, quantity.key)) if row else None
            sibling = "" if row is None or plain(method) in plain(row) else f", {row}"
            cells.append(Cell(score + sibling) if score else None)
        rest = (self.paper[row].get((direction, quantity.key)) for row in self.unclaimed)
        return cells + [Cell(score) if score else None for score in rest]

    def _notes(self) -> Iterable[str]:
        if self.kind.metric == "fcn" and self.number is None:
            yield "The label setting=unpaired or setting=paired says which of the paper's tables this is."
        by_place: dict[_Place, list[Mapping[str, str]]] = defaultdict(list)
        for (_, place), results in self.cells.items():
            by_place[place] += [result.circumstances for result in results]
        for place, all_of in sorted(by_place.items()):
            differing = [key.replace("_", " ") for key in all_of[0] if len({one[key] for one in all_of}) > 1]
            if differing:
                about = ", ".join(filter(None, _about(place))) or "all images"
                yield f"{about}: the results differ in {', '.join(differing)}."


def _about(place: _Place) -> tuple[str, str]:
    return place.dataset, place.direction


def _rank(method: str) -> tuple[int, str]:
    """The bare host first, then the paper's combinations, then the rest."""
    known = ("bare", *_COMBINATIONS)
    return known.index(plain(method)) if plain(method) in known else len(known), method


def _text(values: Sequence[float], spread: float | None, digits: int) -> str:
    mean = round(statistics.fmean(values), digits) + 0.0  # of -0.0, which would be shown with its sign, that makes 0.0
    score = f"{mean:.{digits}f}"
    if len(values) > 1:
        return f"{score} ± {statistics.stdev(values):.{digits}f} (n={len(values)})"
    over = "" if spread is None else f", ± {spread:.{digits}f} over subsets"
    return f"{score} (n=1{over})"
