"""Tables as Markdown and HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.reports.report import build_report, to_html, to_markdown, write_report

HOSTILE = "<script>alert(1)</script> a|b **c** [d](e) `f` &amp; \\ $x$"


class Elements(HTMLParser):
    """Names of a page's elements, their attributes, and the text of bold cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.bold: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.names and self.names[-1] == "strong" and data.strip():
            self.bold.append(data)
            self.names.append("")


def test_a_small_report_is_this_markdown(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    labels = {"dataset": "apple2orange", "direction": "apple->orange"}
    for seed, score in enumerate((7.0, 8.0)):
        kid_result(tmp_path / f"bare_{seed}.json", score, method="bare", seed=str(seed), **labels)
    kid_result(tmp_path / "pha.json", 6.5, method="pha+rhp", seed="0", **labels)
    (tmp_path / "torn.json").write_text("{")
    lines = to_markdown(build_report([tmp_path])).splitlines()
    start = lines.index("## Table 2: KID × 100, target only")
    column = "apple2orange, apple->orange"
    assert lines[:3] == ["# Scores", "", "From 3 result files."]
    assert lines[start + 2 :] == [
        f"| method | {column} | {column}, paper; not comparable: other host, other evaluator |",
        "| --- | --- | --- |",
        "| bare | 7.50 ± 0.71 (n=2) | 8.48 ± 0.53, CycleGAN |",
        "| pha+rhp | **6.50 (n=1, ± 0.50 over subsets)** | 6.31 ± 0.60 |",
        "| paper: StarGAN |  | 13.32 ± 0.52 |",
        "| paper: AGGAN |  | 10.61 ± 0.79 |",
        "| paper: UNIT |  | 17.41 ± 1.13 |",
        "",
        "## Skipped",
        "",
        f"- {str(tmp_path / 'torn.json').replace('_', chr(92) + '_')}: torn, or no JSON (JSONDecodeError)",
    ]


def test_hostile_labels_are_text_in_markdown(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method=HOSTILE, dataset=HOSTILE, direction="a->b\n\n# c", epoch=HOSTILE)
    text = to_markdown(build_report([tmp_path]))
    assert "<script" not in text and "\n# c" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3]
    # What Markdown takes back when it shows the line is the label.
    first = re.split(r"(?<!\\)\|", rows[2])[1].strip()
    assert html.unescape(re.sub(r"\\(.)", r"\1", first)) == HOSTILE
    assert not set(re.sub(r"\\.", "", first)) & set("<*_[]`$|~\\")


def test_hostile_labels_are_text_in_html(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    hostile = '"><img src=x onerror=alert(1)>' + HOSTILE
    kid_result(tmp_path / "a.json", 1, method=hostile, dataset=hostile, epoch=hostile)
    (tmp_path / "<img src=x>.json").write_text("{}")
    page = to_html(build_report([tmp_path]))
    elements = Elements(page)
    assert not {"script", "img"} & set(elements.names)
    assert not any(name.startswith("on") for name, _ in elements.attributes)
    assert html.escape(hostile) in page


def test_the_page_needs_no_other_file_and_follows_the_readers_light(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare")
    page = to_html(build_report([tmp_path]))
    elements = Elements(page)
    assert not {"script", "link", "img", "iframe"} & set(elements.names) and "@import" not in page
    assert not {"src", "href"} & {name for name, _ in elements.attributes}
    assert "prefers-color-scheme: dark" in page
    assert ("content", "width=device-width, initial-scale=1") in elements.attributes


def test_the_best_is_bold_in_html_and_the_papers_scores_are_marked(
    tmp_path: Path, kid_result: Callable[..., Path]
) -> None:
    kid_result(tmp_path / "a.json", 9, method="bare", direction="horse->zebra")
    kid_result(tmp_path / "b.json", 8, method="pha+rhp", direction="horse->zebra")
    page = to_html(build_report([tmp_path]))
    table = page[page.index("Table 2") :]
    assert Elements(table).bold == ["8.00 (n=1, ± 0.50 over subsets)"]
    assert "paper; not comparable: other host, other evaluator" in table
    assert '<td class="paper">1.03 ± 0.35</td>' in table
    assert "1.03" not in to_html(build_report([tmp_path], paper=False))


def test_both_files_are_written_whole_in_place_of_former_ones(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    kid_result(tmp_path / "a.json", 1, method="bare")
    report = build_report([tmp_path])
    for _ in range(2):
        paths = write_report(report, tmp_path / "new" / "folder")
    assert [path.read_text() for path in paths] == [to_markdown(report), to_html(report)]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["report.html", "report.md"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, kid_result: Callable[..., Path]) -> None:
    path = kid_result(tmp_path / "a.json", 1, method="bare")
    with pytest.raises(ConfigError, match="change --out"):
        write_report(build_report([tmp_path]), path / "under")
