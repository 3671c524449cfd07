"""StarGAN: one generator for all domains, so an image has a map for each target domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.hosts.scripts.script_host import ScriptHost
from guidegan_plugin.hosts.scripts.target_label import LabelledKey
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.utils.packages import is_installed

_WITHOUT_TENSORFLOW = "train with --use_tensorboard False, or with guidegan run --legacy main.py"
# Where a run writes, beside its checkpoints.
_FOLDERS = ("--log_dir", "--sample_dir", "--result_dir")


class StarGanHost(ScriptHost):
    """yunjey/stargan and its forks: ``main.py`` trains and tests a ``Solver``; CelebA, RaFD, or both."""

    name: ClassVar[str] = "stargan"
    scripts: tuple[str, ...] = ("main.py",)
    holds: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "main.py": ("main",),
        "solver.py": ("Solver",),
        "data_loader.py": ("CelebA", "get_loader"),
    }
    modes: str = "--mode train, also with --resume_iters, and --mode test; --dataset CelebA, RaFD and Both"
    run_holds: ClassVar[tuple[str, ...]] = (f"*-G{STORE_ENDING}",)
    checkpoints: ClassVar[str] = "stargan/models"
    checkpoints_option: ClassVar[str] = "--model_save_dir"
    pairs: ClassVar[tuple[Pair, ...]] = (Pair("solver.G", "solver.D", "", name="A", key_of=LabelledKey()),)
    # G.forward joins the target's label behind the image.
    defaults: ClassVar[Mapping[str, object]] = {"guide_alpha_image_channels": 3}

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """As the base; samples and logs go to scratch, too."""
        own = super().dry_run_arguments(arguments, scratch)
        return [*own, *(text for option in _FOLDERS for text in (option, str(scratch)))]

    def checks(self) -> Sequence[Check]:
        """As the base; the host's logger wants a TensorFlow of old."""
        there = is_installed("tensorflow")
        found = "calls TensorFlow 1" if there else "imports tensorflow by default, which is not installed"
        logger = Check("host's logger", "warning", f"logger.py {found}", _WITHOUT_TENSORFLOW)
        return [*(one for one in super().checks() if "tensorflow" not in one.found), logger]

    @classmethod
    def file_of(cls, key: str) -> Path | None:
        """A key has the target's label behind the file."""
        return super().file_of(key.rpartition("#")[0])
