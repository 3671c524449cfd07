"""StarGAN: one generator for all domains, so an image has a map for each target domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.hosts.scripts.script_host import ScriptHost
from guidegan_plugin.hosts.scripts.target_label import LabelledKey

# Where a run writes, beside its checkpoints.
_FOLDERS = ("--log_dir", "--sample_dir", "--result_dir")


class StarGanHost(ScriptHost):
    """yunjey/stargan and its forks: ``main.py`` trains and tests a ``Solver``; CelebA, RaFD, or both."""

    name: ClassVar[str] = "stargan"
    scripts: ClassVar[tuple[str, ...]] = ("main.py",)
    holds: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "main.py": ("main",),
        "solver.py": ("Solver",),
        "data_loader.py": ("CelebA", "get_loader"),
    }
    checkpoints: ClassVar[str] = "stargan/models"
    checkpoints_option: ClassVar[str] = "--model_save_dir"
    pairs: ClassVar[tuple[Pair, ...]] = (Pair("solver.G", "solver.D", "", name="A", key_of=LabelledKey()),)
    # G.forward joins the target's label behind the image.
    defaults: ClassVar[Mapping[str, object]] = {"guide_alpha_image_channels": 3}

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """As the base; samples and logs go to scratch, too."""
        own = super().dry_run_arguments(arguments, scratch)
        return [*own, *(text for option in _FOLDERS for text in (option, str(scratch)))]
