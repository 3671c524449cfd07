"""The commands that the pages show exist, with their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from guidegan_plugin import cli

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)]
LINES = "".join(BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = [words for line in LINES if (words := shlex.split(line, comments=True))[:1] == ["guidegan"]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_and_their_options_exist(words: list[str]) -> None:
    command, arguments = get_command(cli.app), words[1:]
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    command.make_context("guidegan", arguments)
