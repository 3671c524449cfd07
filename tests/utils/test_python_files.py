from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.errors import HostError
from guidegan_plugin.utils.python_files import parse_python


@pytest.mark.parametrize("source", ["def (:", "x = '\0'", "x = " + "-" * 100_000 + "1"])
def test_what_is_no_python_is_refused_by_its_name_whatever_the_parser_raises(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.py").write_text(source)
    with pytest.raises(HostError, match=r"a\.py cannot be read as Python \(.*\); repair it"):
        parse_python(tmp_path / "a.py")
