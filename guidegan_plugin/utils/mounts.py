"""On which kind of file system a folder lies."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")  # Linux
# As Linux names what lies on another machine.
_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p")
_BY_FUSE = ("sshfs", "glusterfs", "ceph", "s3fs", "gcsfuse", "juicefs", "beegfs")
_NETWORK = frozenset((*_FILE_SYSTEMS, *(f"fuse.{name}" for name in _BY_FUSE)))


def network_drive(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Which kind of network drive a folder lies on.

    Args:
        folder: An existing folder.
        mounts: What is mounted, as Linux tells it.

    Returns:
        Such as ``nfs4``; "" where the folder lies on none, or where nobody tells.
    """
    try:
        device, lines = folder.stat().st_dev, mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        place, _, kind = line.partition(" - ")
        if place.split()[2:3] == [wanted]:
            return next((name for name in kind.split()[:1] if name in _NETWORK), "")
    return ""
