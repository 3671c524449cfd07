"""The toy host, installed as a third party's plugin is, and a copy of its codebase."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

TOY_HOST = Path(__file__).resolve().parents[2] / "examples" / "toy_host"


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
