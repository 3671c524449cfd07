"""Mutated files are refused in one line that names them, or read as what they are: the short form of ``make fuzz``."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(name: str) -> ModuleType:
    """A module of this folder under a name of its own."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load("mutations")
READERS = load("readers").READERS
fuzz = load("run").fuzz


@pytest.fixture(autouse=True)
def quiet() -> Any:
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("files", [40, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_mutated_file_is_refused_by_name_or_right(reader: Any, files: int, tmp_path: Path) -> None:
    found = fuzz(reader, files, files, tmp_path)
    assert not found.bad, found.bad[:3]
    assert found.refused + found.read == files


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    outcomes = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        found = fuzz(READERS[0], 20, 3, tmp_path / place)
        outcomes.append((found.refused, found.read))
    assert outcomes[0] == outcomes[1]
