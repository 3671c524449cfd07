"""``make docs``: every page and the reference as HTML, a warning is an error."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import guidegan_plugin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    pytest.importorskip("sphinx", reason="make docs needs the extra docs")
    return load_script(ROOT / "docs" / "build.py")


@pytest.mark.slow
@pytest.mark.usefixtures("build")
def test_every_page_and_every_public_name_is_built_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run([sys.executable, ROOT / "docs" / "build.py", tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "docs" / f"{page.stem}.html").exists()
    reference = "".join(path.read_text() for path in (tmp_path / "docs" / "reference").glob("*.html"))
    for name in set(guidegan_plugin.__all__) - {"__version__"}:
        assert re.search(rf'id="guidegan_plugin\.(\w+\.)*{name}"', reference), name


def test_links_lead_to_pages_and_those_to_other_files_become_text(build: ModuleType) -> None:
    page = (
        "[a](../README.md#options) [b](hosts.md) ![c](images/shapes.png) [d](../patches/README.md) [e](https://e.org)"
    )
    assert build.with_links(page, ROOT / "docs") == (
        "[a](index.md#options) [b](hosts.md) ![c](images/shapes.png) d [e](https://e.org)"
    )
    assert build.with_links("[h](docs/hosts.md#x) [i](examples/custom_gan.py)", ROOT) == "[h](hosts.md#x) i"
