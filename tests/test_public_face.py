"""What ``from guidegan_plugin import ...`` gives."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import guidegan_plugin
from guidegan_plugin import errors
from guidegan_plugin.plugins.entry_points import installed


def test_every_public_name_is_there_and_listed() -> None:
    for name in guidegan_plugin.__all__:
        assert getattr(guidegan_plugin, name) is not None
        assert name in dir(guidegan_plugin)
    with pytest.raises(AttributeError, match="has no attribute 'Gudie'"):
        guidegan_plugin.__getattr__("Gudie")


ROOT = Path(__file__).resolve().parents[1]
# What a user reads or copies. The study, the benchmarks, the demo and the reference host are this project's own tools.
FOR_USERS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("[!d]*.py")]
FOR_USERS += [*(ROOT / "examples").glob("third_party_plugin/**/*.py"), *(ROOT / "examples").glob("toy_host/**/*.py")]


@pytest.mark.parametrize("path", FOR_USERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_and_examples_import_nothing_deeper(path: Path) -> None:
    imported = re.findall(r"^\s*(?:from|import) (guidegan_plugin[\w.]*)", path.read_text(), re.MULTILINE)
    assert set(imported) <= {"guidegan_plugin", "guidegan_plugin.datasets.keyed"}


def test_every_error_class_is_public() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert classes <= set(guidegan_plugin.__all__)
    assert all(getattr(guidegan_plugin, name) is getattr(errors, name) for name in classes)


WITHOUT_TORCH = """
import sys
from guidegan_plugin.__main__ import main
for words in {commands!r}:
    sys.argv = ["guidegan", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (words, ended.code)
    slow = {{"torch", "torchvision", "numpy", "scipy", "PIL", "safetensors", "matplotlib", "visdom"}} & {{*sys.modules}}
    assert not slow, (words, slow)
"""


def test_whatever_needs_no_torch_answers_without_importing_anything_slow() -> None:
    """Every command's help, and what there is; one process, in which each command adds to what is imported."""
    import typer.main

    from guidegan_plugin.cli import app

    def calls(group: Any, words: list[str]) -> list[list[str]]:
        inner = getattr(group, "commands", {})
        return [[*words, "--help"], *(call for name in inner for call in calls(inner[name], [*words, name]))]

    commands = [*calls(typer.main.get_command(app), []), ["--version"], ["plugins"]]
    assert len(commands) > 20
    code = WITHOUT_TORCH.format(commands=commands)
    environment = {**os.environ, "GUIDEGAN_DISABLE_PLUGINS": ",".join(installed())}  # others' may import what they like
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
