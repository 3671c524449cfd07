"""The toy host, installed as a third party's plugin is, a copy of its codebase, and forks of the reference host."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from guidegan_plugin.hosts import launcher

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REFERENCE_HOST = EXAMPLES / "reference_host"
TOY_HOST = EXAMPLES / "toy_host"


@pytest.fixture(scope="session")
def witness() -> ModuleType:
    """The module ``families/witness.py``."""
    spec = importlib.util.spec_from_file_location("families_witness", Path(__file__).parent / "families" / "witness.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy codebase's folder; its host is registered, in processes started from here, too."""
    site = tmp_path / "site"
    info = site / "guidegan_toy_host-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guidegan-toy-host\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[guidegan]\ntoy_host = guidegan_toy_host\n")
    shutil.copy(TOY_HOST / "guidegan_toy_host.py", site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", f"{site}:{Path(__file__).resolve().parents[2]}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    importlib.invalidate_caches()
    monkeypatch.chdir(tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(TOY_HOST / "codebase", tmp_path / "codebase", ignore=ignored))


@pytest.fixture
def fork(tmp_path: Path) -> Callable[..., Path]:
    """A fork of the reference host: ``fork({"train.py": [(old, new), ...]})`` replaces text in files of a copy."""

    def make(edits: Mapping[str, Sequence[tuple[str, str]]], added: Mapping[str, str] | None = None) -> Path:
        root = tmp_path / "fork"
        shutil.copytree(REFERENCE_HOST, root, ignore=shutil.ignore_patterns("__pycache__"))
        for name, pairs in edits.items():
            text = (root / name).read_text()
            for old, new in pairs:
                assert old in text, f"{name} has no {old!r}"
                text = text.replace(old, new)
            (root / name).write_text(text)
        for name, text in (added or {}).items():
            (root / name).write_text(text)
        return root

    return make


@pytest.fixture
def run_fork(in_host: Callable[[], None]) -> Callable[..., None]:
    """Run a script of a fork through the launcher: ``run_fork(root / "train.py", "--model", ...)``."""

    def call(script: Path, *arguments: object) -> None:
        in_host()
        launcher.run(script, [str(argument) for argument in arguments])

    return call
