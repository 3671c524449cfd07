"""What a release and a contributor rely on: the source distribution is whole, and the same linters run everywhere."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


def metadata(name: str) -> str:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config["metadata"][name]


@pytest.mark.slow
def test_the_source_distribution_holds_every_tracked_file(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    if not (ROOT / ".git").exists():
        pytest.skip("git knows what is tracked, and this is no checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    for name in tracked:
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / "copy" / name)
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / "copy", check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    assert tracked | {"guidegan_plugin.egg-info/PKG-INFO"} <= held  # or the unpacked package would not know its version
    assert not [name for name in held if "__pycache__" in name]


def test_licence_and_version_are_the_same_in_metadata_and_citation() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    for name in ("version", "license"):
        assert re.search(rf"^{name}: (.+)$", citation, re.MULTILINE)[1] == metadata(name)  # type: ignore[index]
    assert metadata("version") in (ROOT / "CHANGELOG.md").read_text()
    assert (ROOT / "LICENSE").read_text().startswith("BSD 2-Clause") and metadata("license") == "BSD-2-Clause"


def test_the_linters_before_a_commit_are_those_of_make_lint() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-n", "lint"]
    linted = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    linters = re.findall(r"^\.venv/bin/((?:ruff|mypy).*)$", linted, re.MULTILINE)
    assert [hook.replace(" --force-exclude", "") for hook in hooks] == [one.removesuffix(" .") for one in linters]
