"""The commands of the page on evaluation are ones there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from guidegan_plugin import cli

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "evaluation.md").read_text()
BLOCKS = "".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
COMMANDS = [words for line in BLOCKS.splitlines() if (words := shlex.split(line, comments=True))[:1] == ["guidegan"]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_and_their_options_exist(words: list[str]) -> None:
    command, arguments = get_command(cli.app), words[1:]
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    command.make_context("guidegan", arguments)
