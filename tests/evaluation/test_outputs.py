from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.outputs import write_csv


def test_a_table_has_a_header_and_none_is_left_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "new" / "a.csv", ("class", "share"), [("traffic, light", 0.5), ("car", None)])
    assert (tmp_path / "new" / "a.csv").read_bytes() == b'class,share\n"traffic, light",0.5\ncar,\n'


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot write .*a\.csv"):
        write_csv(tmp_path / "file" / "a.csv", (), [])
