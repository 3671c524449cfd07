"""The examples run as they are, and the third-party plugin is found once it is installed."""

from __future__ import annotations

import configparser
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from guidegan_plugin import GuideConfig
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.plugins.manager import create_manager

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
THIRD_PARTY = EXAMPLES / "third_party_plugin"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["custom_gan.py", "--steps", "5"], ["step 5: G ", "pair A: 16 maps stored, read at 8 (Conv2d)"]),
        (["bare_script.py", "--steps", "6"], ["step 6: GAN ", "pair A: 12 maps stored", "pair B: 12 maps stored"]),
        (["bare_script.py", "--steps", "1", "--memory", "batch", "--concat", "alpha"], ["pair B: 0 maps stored"]),
    ],
)
def test_an_example_prints_losses_and_how_many_maps_are_stored(command: list[str], lines: list[str]) -> None:
    script = [sys.executable, str(EXAMPLES / command[0]), *command[1:]]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert all(line in done.stdout for line in lines), done.stdout
    assert "guided" not in done.stderr and "Warning" not in done.stderr


def test_examples_are_short() -> None:
    for name in ("custom_gan.py", "bare_script.py"):
        assert len((EXAMPLES / name).read_text().splitlines()) <= 120


def test_the_third_party_plugin_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = configparser.ConfigParser()
    setup.read(THIRD_PARTY / "setup.cfg")
    about = setup["metadata"]
    info = tmp_path / f"guidegan_patch_score-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    (info / "entry_points.txt").write_text(f"[guidegan]\n{setup['options.entry_points']['guidegan'].strip()}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    factory = GuideFactory.open(GuideConfig(attention="patch_score", concat="unit_rhp"))
    assert factory.attention is not None and factory.attention.name == "patch_score"
    assert create_manager().has_plugin("patch_score")


def test_the_third_party_readme_is_ten_lines() -> None:
    assert len((THIRD_PARTY / "README.md").read_text().strip().splitlines()) <= 10
