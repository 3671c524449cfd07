"""The patches in ``patches/``: ``python -m guidegan_plugin.hosts.patches HOST`` writes a host's to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.find_host import registered_hosts


def as_patch(files: Mapping[str, str]) -> str:
    """A unified diff that adds files and touches no other.

    Args:
        files: What each holds, by its path; texts end with a newline.

    Returns:
        What ``git apply`` and ``patch -p1`` take.
    """
    return "".join(_addition(path, text) for path, text in files.items())


def _addition(path: str, text: str) -> str:
    lines = text.splitlines()
    head = [f"diff --git a/{path} b/{path}", "new file mode 100644", "--- /dev/null", f"+++ b/{path}"]
    added = [f"+{line}" for line in lines]
    return "".join(f"{line}\n" for line in [*head, f"@@ -0,0 +1,{len(lines)} @@", *added])


def patch_of(name: str) -> str:
    """The files that the installer would add to a host's codebase as its authors published it, as a patch.

    Args:
        name: Of the host.

    Raises:
        HostError: If no host of that name is registered.
    """
    hosts = {kind.name: kind for kind in registered_hosts()}
    if name not in hosts:
        raise HostError(f"host {name!r} is unknown, known are: {', '.join(hosts)}; change HOST")
    return as_patch(hosts[name].patch_files())


if __name__ == "__main__":
    sys.stdout.write(patch_of(sys.argv[1]))
