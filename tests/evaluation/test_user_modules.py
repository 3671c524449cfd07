"""``module:attribute``: what a user may name, and how a name that leads nowhere is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.user_modules import load_named

SOURCE = """
from torch import nn

class Net(nn.Identity): ...

net = Net()

def function(images): return images

def factory(width=3): return nn.Flatten()

def broken(): raise RuntimeError("no weights\\nhere")
"""


@pytest.fixture(autouse=True)
def in_a_directory_with_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "named_by_user.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "named_by_user", raising=False)


@pytest.mark.parametrize(
    ("attribute", "kind"),
    [("net", "Net"), ("Net", "Net"), ("factory", "Flatten"), ("function", "function"), ("net.forward", "method")],
)
def test_a_module_a_class_a_factory_and_a_function_may_be_named(attribute: str, kind: str) -> None:
    path = list(sys.path)
    assert type(load_named(f"named_by_user:{attribute}", "--features")).__name__ == kind
    assert sys.path == path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("named_by_user", "expected module:attribute, found 'named_by_user'"),
        ("named_by_user:", "expected module:attribute"),
        ("no file.py:net", "expected module:attribute"),
        ("not_there_at_all:net", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("named_by_user:missing", "AttributeError: module 'named_by_user' has no attribute 'missing'"),
        ("named_by_user:broken", "RuntimeError: no weights)"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_named(spec, "--features")
    assert message in str(raised.value)
    assert str(raised.value).endswith("change --features")
    assert "\n" not in str(raised.value)
