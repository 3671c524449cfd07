"""What ``from guidegan_plugin import ...`` gives."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import guidegan_plugin
from guidegan_plugin import errors


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


def test_the_command_answers_without_importing_torch() -> None:
    code = "import sys, guidegan_plugin.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
