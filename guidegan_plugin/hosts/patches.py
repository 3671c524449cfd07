"""The patch in ``patches/``: ``python -m guidegan_plugin.hosts.patches`` writes it to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from guidegan_plugin.hosts.junyanz.codebase import DATASETS
from guidegan_plugin.hosts.junyanz.installed import added_files

# Those of pytorch-CycleGAN-and-pix2pix; in a fork that lacks one, its file lies idle.
_MODELS = ("colorization", "cycle_gan", "pix2pix", "test")


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


def guidegan_patch() -> str:
    """The files that the installer would add to pytorch-CycleGAN-and-pix2pix, as a patch."""
    return as_patch(added_files(_MODELS, DATASETS))


if __name__ == "__main__":
    sys.stdout.write(guidegan_patch())
