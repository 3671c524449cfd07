"""The gallery of a test: made when the host's script is over, since its models are not told which image is the last."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from guidegan_plugin.hosts.at_end import at_end


def leave_gallery(options: Any, concat: str) -> None:
    """Make a gallery of a test's results once its script has ended well; none where it wrote none.

    Args:
        options: The host's.
        concat: How input and map are blended.
    """
    test = f"{options.phase}_{options.epoch}" + (f"_iter{options.load_iter}" if options.load_iter > 0 else "")
    folder = (Path(options.results_dir) / options.name / test).absolute()  # a script may change its folder

    def make() -> None:
        if not (folder / "images").is_dir():
            return
        from guidegan_plugin.monitors.gallery import make_gallery

        sys.stdout.write(f"{make_gallery(folder, concat=concat)}\n")

    at_end(make)
