"""A key never leads out of its root, whoever wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guidegan_plugin.utils.keys import below, place_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").touch()
    (tmp_path / "data" / "trainA").mkdir(parents=True)
    (tmp_path / "data" / "trainA" / "a.png").touch()
    return tmp_path / "data"


def test_a_key_names_a_file_below_its_root(root: Path) -> None:
    assert place_of(root, "trainA/a.png") == root / "trainA" / "a.png"
    (root / "trainA" / "again.png").symlink_to("a.png")
    assert place_of(root, "trainA/again.png") == root / "trainA" / "again.png", "a link within it"
    (root.parent / "link").symlink_to(root)
    assert place_of(root.parent / "link", "trainA/a.png") == root.parent / "link" / "trainA" / "a.png"


@pytest.mark.parametrize(
    "key",
    [
        "../secret.png",
        "trainA/../../secret.png",
        "trainA/../trainA/a.png",
        "/etc/hostname",
        "",
        ".",
        "trainA",
        "gone.png",
        "a" * 300,
        "trainA/a.png\0",
        "\udcff",
        "trainA/" * 2000,
    ],
)
def test_any_other_key_names_nothing(root: Path, key: str) -> None:
    assert place_of(root, key) is None


def test_neither_do_links_out_of_it_devices_pipes_and_circles(root: Path) -> None:
    (root / "out.png").symlink_to(root.parent / "secret.png")
    (root / "folder").symlink_to(root.parent)
    (root / "device.png").symlink_to("/dev/zero")
    (root / "circle.png").symlink_to("circle.png")
    os.mkfifo(root / "pipe.png")
    for key in ("out.png", "folder/secret.png", "device.png", "circle.png", "pipe.png"):
        assert place_of(root, key) is None, key


def test_a_place_need_not_be_there_but_below(root: Path) -> None:
    assert below(root, "gone.png") == root / "gone.png"
    assert below(root, "../secret.png") is None and below(root, "/etc/hostname") is None
