"""Each hook has a test that names it, and stands in the documents with its exact signature."""

from __future__ import annotations

import inspect
from pathlib import Path

from guidegan_plugin.plugins import hookspecs

ROOT = Path(__file__).resolve().parent.parent.parent
HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("guidegan_")}


def test_there_are_the_seven_hooks() -> None:
    kinds = ("attention", "concatenation", "transfer", "host", "monitor")
    assert set(HOOKS) == {f"guidegan_register_{kind}" for kind in kinds} | {"guidegan_step_end", "guidegan_epoch_end"}


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text()
    for name, function in HOOKS.items():
        assert f"## `{name}{inspect.signature(function)}`".replace("'", "") in text.replace("'", ""), name


def test_every_hook_is_named_in_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    for name in HOOKS:
        assert name in tests, name
