"""Network drives are known by what is mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guidegan_plugin.utils.mounts import network_drive


@pytest.mark.parametrize(("kind", "found"), [("nfs4", "nfs4"), ("fuse.sshfs", "fuse.sshfs"), ("ext4", "")])
def test_a_folder_is_on_the_drive_of_its_device(tmp_path: Path, kind: str, found: str) -> None:
    device = tmp_path.stat().st_dev
    own = f"{os.major(device)}:{os.minor(device)}"
    lines = ["21 1 250:77 / / rw - nfs4 other:/ rw", f"36 35 {own} / /data rw,noatime master:1 - {kind} host:/data rw"]
    (mounts := tmp_path / "mountinfo").write_text("\n".join(lines))
    assert network_drive(tmp_path, mounts) == found


def test_where_nobody_tells_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n-\n")
    assert network_drive(tmp_path, tmp_path / "empty") == network_drive(tmp_path, tmp_path / "missing") == ""
    assert network_drive(tmp_path / "missing") == ""
