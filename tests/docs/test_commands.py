"""Every command there is stands in docs/commands.md, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from guidegan_plugin.cli import app
from guidegan_plugin.diagnosis import filesystem as places

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()


def commands(group: typer.Typer, prefix: str) -> Iterator[str]:
    for command in group.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        yield f"{prefix} {name}"
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        yield from commands(sub.typer_instance, f"{prefix} {sub.name}")


def test_the_page_lists_exactly_the_commands_there_are() -> None:
    listed = re.findall(r"^\| `(guidegan [^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(commands(app, "guidegan"))


def test_the_page_and_the_help_know_the_same_exit_codes() -> None:
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == re.findall(r"\b(\d+) ", str(app.info.epilog))


def test_the_page_says_what_a_map_is_taken_for() -> None:
    assert f"{places._MAP_BYTES} bytes for each image" in PAGE
