"""What the command shows of names that come from files."""

from __future__ import annotations

import pytest
from rich.table import Table

from guidegan_plugin.cli.console import show_table


def test_names_that_look_like_markup_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("class", title="of [run]")
    for name in ("[sky]", "[/x]", ":car:"):
        table.add_row(name)
    show_table(table)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("of [run]", "[sky]", "[/x]", ":car:"))


def test_nothing_is_left_out_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("name", "where")
    table.add_row("register_concatenation", "x" * 30)
    show_table(table)
    cells = [line.split("│")[1:3] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert "".join(first.strip() for first, _ in cells) == "register_concatenation"
    assert "".join(second.strip() for _, second in cells) == "x" * 30
