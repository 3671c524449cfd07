"""What lies in a folder for its user."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.utils.listing import visible_files


def test_files_are_listed_by_name_with_subfolders_where_asked_and_hidden_ones_never(tmp_path: Path) -> None:
    for name in ("b", "a/c", "._b", ".checkpoints/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert visible_files(tmp_path) == [tmp_path / "b"]
    assert visible_files(tmp_path, deep=True) == [tmp_path / "a" / "c", tmp_path / "b"]


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        visible_files(tmp_path / "nowhere")
