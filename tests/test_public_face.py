"""What ``from guidegan_plugin import ...`` gives."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import guidegan_plugin
from guidegan_plugin import errors


def test_every_public_name_is_there_and_listed() -> None:
    for name in guidegan_plugin.__all__:
        assert getattr(guidegan_plugin, name) is not None
        assert name in dir(guidegan_plugin)
    with pytest.raises(AttributeError, match="has no attribute 'Gudie'"):
        guidegan_plugin.__getattr__("Gudie")


def test_every_error_class_is_public() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert classes <= set(guidegan_plugin.__all__)
    assert all(getattr(guidegan_plugin, name) is getattr(errors, name) for name in classes)


def test_the_command_answers_without_importing_torch() -> None:
    code = "import sys, guidegan_plugin.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
