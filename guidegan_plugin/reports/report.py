"""A report of many results: the paper's tables as Markdown and as a page of HTML that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.reports.result_files import Skipped, one_line, read_results
from guidegan_plugin.reports.tables import Cell, Table, arrange
from guidegan_plugin.utils.files import write_output

TITLE = "Scores"
HOW_TO_READ = (
    "Bold: best of a column, to the digits shown. KID and FID: lower is better; all others: higher is better.",
    "n: runs, each with a seed of its own; ± is the standard deviation over them (n - 1 in the divisor).",
    "Compare within a column only: same host, same evaluator. The paper's scores, where shown, come from another host"
    " and another evaluator, and take no part.",
)

_STYLE = """
:root { color-scheme: light dark; --line: #d0d4da; --quiet: #5c6570; --page: #fff; --text: #1a1d21; --row: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4048; --quiet: #a0a8b2; --page: #15181c; --text: #e6e9ed; --row: #1e2329; }
}
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: bottom;
  overflow-wrap: normal; }
td { white-space: nowrap; }
thead th { font-weight: 600; } thead span { display: block; }
tbody th { position: sticky; left: 0; background: var(--page); font-weight: 500;
  min-width: 5.5rem; max-width: 9rem; overflow-wrap: break-word; }
tbody th, tbody td { vertical-align: baseline; }
tbody tr:nth-child(even) > * { background: var(--row); }
td strong { font-weight: 750; }
.paper { color: var(--quiet); font-style: italic; font-weight: 400; }
thead .paper span:last-child { max-width: 11rem; font-size: .8rem; }
.notes { color: var(--quiet); font-size: .9rem; padding-left: 1.2rem; }
"""


@dataclass(frozen=True)
class Report:
    """What was found: the tables, how many files they come from, and what was skipped."""

    tables: Sequence[Table]
    count: int
    skipped: Sequence[Skipped]


def build_report(places: Sequence[Path], paper: bool = True) -> Report:
    """Read results and arrange them as the paper's tables.

    Args:
        places: folders, searched recursively, or result files.
        paper: whether the paper's own scores stand beside.

    Raises:
        ConfigError: a place does not exist.
        DataError: there is no result, or one run is there twice.
    """
    results, skipped = read_results(places)
    return Report(arrange(results, paper), len(results), skipped)


def write_report(report: Report, out: Path) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html``, in place of former ones.

    Args:
        report: to be written.
        out: a folder; made where there is none.

    Returns:
        Both paths.

    Raises:
        ConfigError: they cannot be written.
    """
    paths = out / "report.md", out / "report.html"
    for path, text in zip(paths, (to_markdown(report), to_html(report)), strict=True):
        write_output(path, text.encode(), "change --out")
    return paths


def to_markdown(report: Report) -> str:
    """Show a report as Markdown (GitHub's tables); labels are escaped."""
    lines = [f"# {TITLE}", "", f"From {_files(report.count)}.", "", *_bullets(HOW_TO_READ)]
    for table in report.tables:
        heads = ["method", *(_escape(", ".join(column.heading)) for column in table.columns)]
        lines += ["", f"## {_escape(table.title)}", "", _line(heads), _line(["---"] * len(heads))]
        lines += [_line([_escape(method), *map(_in_markdown, cells)]) for method, cells in table.rows]
        lines += ["", *_bullets(map(_escape, table.notes))] if table.notes else []
    if report.skipped:
        lines += ["", "## Skipped", ""]
        lines += _bullets(f"{_escape(one_line(one.path))}: {_escape(one.reason)}" for one in report.skipped)
    return "\n".join(lines) + "\n"


def _files(count: int) -> str:
    return f"{count} result file{'s' if count > 1 else ''}"


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _in_markdown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"**{_escape(cell.text)}**" if cell.best else _escape(cell.text)


def _escape(text: str) -> str:
    """What Markdown would read as markup is shown as it stands."""
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


def to_html(report: Report) -> str:
    """Show a report as one page of HTML: no script, no other file, readable on a phone and in the dark."""
    import dominate
    from dominate import tags
    from dominate.util import raw

    page = dominate.document(title=TITLE, lang="en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.style(raw(_STYLE))
    with page.body, tags.main():
        tags.h1(TITLE)
        tags.p(f"From {_files(report.count)}.")
        _list(HOW_TO_READ)
        for table in report.tables:
            _section(table)
        if report.skipped:
            tags.h2("Skipped")
            _list(f"{one_line(one.path)}: {one.reason}" for one in report.skipped)
    return f"{page.render(pretty=False)}\n"


def _list(lines: Iterable[str]) -> None:
    from dominate import tags

    with tags.ul(cls="notes"):
        for line in lines:
            tags.li(line)


def _section(table: Table) -> None:
    from dominate import tags

    tags.h2(table.title)
    with tags.div(cls="table", tabindex="0", role="region", aria_label=table.title), tags.table():
        with tags.thead(), tags.tr():
            tags.th("method", scope="col")
            for column in table.columns:
                with tags.th(scope="col", cls="paper" if column.paper else "ours"):
                    for line in column.heading:
                        tags.span(line)
        with tags.tbody():
            for method, cells in table.rows:
                with tags.tr():
                    tags.th(method, scope="row")
                    for column, cell in zip(table.columns, cells, strict=True):
                        with tags.td(cls="paper" if column.paper else "ours"):
                            _cell(cell)
    if table.notes:
        _list(table.notes)


def _cell(cell: Cell | None) -> None:
    from dominate import tags
    from dominate.util import text

    if cell is not None:
        tags.strong(cell.text) if cell.best else text(cell.text)
