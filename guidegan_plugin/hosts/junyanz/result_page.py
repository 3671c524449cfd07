"""The gallery of a test: made when the host's script is over, since its models are not told which image is the last."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from guidegan_plugin.errors import GuideError
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.result_folder import read_images
from guidegan_plugin.hosts.script_end import at_end

_log = logging.getLogger(__name__)


def leave_gallery(options: Any, concat: str) -> None:
    """Make a gallery of a test's results once its script has ended well; none where it wrote none.

    Args:
        options: The host's.
        concat: How input and map are blended.
    """
    iteration = read_option(options, "load_iter")
    test = f"{read_option(options, 'phase')}_{read_option(options, 'epoch')}"
    test += f"_iter{iteration}" if iteration > 0 else ""
    results = Path(read_option(options, "results_dir")) / read_option(options, "name")
    folder = (results / test).absolute()  # a script may change its folder

    def make() -> None:
        images = folder / "images"
        if not read_images(images):
            return
        count = sum(path.is_file() for path in images.rglob("*"))
        # Thousands take minutes. A warning, because nothing less is shown where a host sets up no logging.
        _log.warning("making a gallery of the %d pictures in %s; --guide_no_gallery leaves it out", count, images)
        from guidegan_plugin.reports.gallery import make_gallery

        try:
            _log.warning("the gallery: %s", make_gallery(folder, concat=concat))
        except GuideError as error:  # whose cure is for the command: nobody gave --out here
            found = str(error).partition("; ")[0]
            _log.warning("no gallery of the results: %s; --guide_no_gallery leaves it out", found)

    at_end(make)
