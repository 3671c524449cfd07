"""What docs/reliability.md names as the test of a row is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


def test_the_tests_and_scripts_on_the_page_are_there() -> None:
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", PAGE)
    assert names and not [name for name in names if f"def {name}(" not in written]
    paths = re.findall(r"`((?:tests|examples)/[\w/.]*)", PAGE)
    assert paths and not [path for path in paths if not (ROOT / path).exists()]
