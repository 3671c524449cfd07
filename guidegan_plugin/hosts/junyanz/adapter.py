"""The adapter for pytorch-CycleGAN-and-pix2pix (junyanz), its forks, and codebases in its contract."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.codebase import DATASETS, FAMILY, FILES, MODELS, Codebase
from guidegan_plugin.hosts.junyanz.import_hook import VirtualModules
from guidegan_plugin.hosts.junyanz.installed import added_files, content
from guidegan_plugin.hosts.junyanz.known_pairs import pairs_are_known
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.preset_table import PresetTable
from guidegan_plugin.plugins.sample import Run
from guidegan_plugin.plugins.sources import Sources


class JunyanzHost(Host):
    """A codebase in the family's contract.

    Args:
        codebase: What was read of the folder.
    """

    name: ClassVar[str] = FAMILY
    looks_for: ClassVar[str] = ", ".join(FILES)
    checkpoints: ClassVar[str] = "checkpoints"
    checkpoints_option: ClassVar[str] = "--checkpoints_dir"
    datasets: ClassVar[str] = "datasets"
    results: ClassVar[str] = r"_((real|fake|rec|idt)(_[AB])?|attention(_[^_]+)?(_placeholder|_mean|_predicted)?)"
    # A test's folder, one of several tests, a training's: its pages, its options, its networks.
    run_holds: ClassVar[tuple[str, ...]] = (
        *(f"{folder}images/*_{visual}*" for folder in ("", "*/") for visual in ("real", "attention")),
        *(f"{folder}images/{visual}*/*" for folder in ("", "*/") for visual in ("real", "attention")),  # CUT
        "train_opt.txt",
        "*_net_*.pth",
    )

    def __init__(self, codebase: Codebase) -> None:
        self.root, self.codebase = codebase.root, codebase
        self.cpu_option = "--gpu_ids -1" if codebase.generation == "classic" else ""

    @classmethod
    def recognise(cls, root: Path) -> JunyanzHost | None:
        """An adapter if the folder holds the family's packages and a ``define_G``.

        Raises:
            HostError: If its ``networks.py`` is not Python.
        """
        codebase = Codebase.read(root)
        return None if codebase is None else cls(codebase)

    @property
    def description(self) -> str:
        """The family, its generation and the folder."""
        return f"{self.name} family, {self.codebase.generation} generation, in {self.root}"

    def models(self) -> Mapping[str, bool]:
        """Each model of the codebase as ``guide_<model>``."""
        return {f"guide_{name}": pairs_are_known(name) for name in self.codebase.model_names()}

    @contextmanager
    def guided(self) -> Iterator[None]:
        """While it lasts, ``models.guide_<x>_model`` and ``data.guide_<x>_dataset`` can be imported."""
        finder = VirtualModules()
        # Last, so that files an installer put there win.
        sys.meta_path.append(finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)

    def script_arguments(self, arguments: Sequence[str]) -> list[str]:
        """All of them.

        Raises:
            HostError: If they ask for a model that is not there, and nearly for a guided one.
        """
        self._refuse_misspelt(arguments)
        return super().script_arguments(arguments)

    def _refuse_misspelt(self, arguments: Sequence[str]) -> None:
        asked = _model_asked_for(arguments) or ""
        if asked.startswith("guide_") or (self.root / "models" / f"{asked}_model.py").is_file():
            return  # what we have not is refused later, with all that we have
        for near in difflib.get_close_matches(asked, self.models(), 1):
            raise HostError(f"the host has no model {asked!r}; did you mean {near}? Change --model")

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """Ask the guided model to describe itself; checkpoints go to scratch and none are loaded."""
        self._refuse_misspelt(arguments)
        model = _model_asked_for(arguments) or "cycle_gan"
        if not model.startswith("guide_"):
            guided = f"guide_{re.sub('^guide_?', '', model)}"
            if guided not in self.models():
                raise HostError(
                    f"the host has no model {model!r}, it can guide: {', '.join(self.models())}; change --model"
                )
            raise HostError(f"--model {model} is not guided; change it to --model {guided}")
        kept = [argument for argument in arguments if not _is_short_for("--continue_train", argument)]
        return [*kept, "--guide_dry_run", "--checkpoints_dir", str(scratch)]

    def files_to_add(self) -> Mapping[str, str]:
        """A file for each model and data set that can be guided, where the codebase looks for its own."""
        return added_files(self.codebase.model_names(), self.codebase.dataset_names())

    def files_to_remove(self) -> Mapping[str, str]:
        """Those of models and data sets that are gone since, too."""
        paths = sorted([*self.root.glob("data/guide_*_dataset.py"), *self.root.glob("models/guide_*_model.py")])
        return {path.relative_to(self.root).as_posix(): content(path.stem) for path in paths}

    @classmethod
    def patch_files(cls) -> Mapping[str, str]:
        """Files for the models of pytorch-CycleGAN-and-pix2pix; in a fork that lacks one, its file lies idle."""
        return added_files(MODELS, DATASETS)

    def checks(self) -> Sequence[Check]:
        """Packages that the codebase wants, and what its generation needs to hear where they are missing."""
        from guidegan_plugin.hosts.junyanz.host_checks import (
            check_contract,
            check_gpu,
            check_imports,
            check_visdom,
            check_wandb,
        )
        from guidegan_plugin.hosts.legacy.needed import check_old_calls

        classic = [*check_gpu(), *check_visdom()] if self.codebase.generation == "classic" else []
        imports = [*check_imports(self.root), *check_old_calls(self.root, self.cpu_option)]
        return [check_contract(self.root), *imports, check_wandb(self.root), *classic]

    @classmethod
    def read_run(cls, run: Path) -> Run:
        """A test's results, those of several tests over epochs, or a training's pages and memory."""
        from guidegan_plugin.hosts.junyanz.run_folder import read_run

        return read_run(run)

    @classmethod
    def sources(cls, run: Path, root: Path | None = None) -> Sources:
        """Where ``train_opt.txt`` leads."""
        from guidegan_plugin.hosts.junyanz.training_folder import sources_of

        return sources_of(run, root)

    @classmethod
    def bake(
        cls,
        checkpoint: Path,
        out: Path,
        concat: str | None = None,
        channels: int = 3,
        epoch: str = "latest",
        test_map: str | None = None,
    ) -> list[Path]:
        """As :func:`guidegan_plugin.hosts.junyanz.baking.bake`."""
        from guidegan_plugin.hosts.junyanz.baking import bake

        return bake(checkpoint, out, concat, channels, epoch, test_map)

    @classmethod
    def presets(cls) -> Sequence[PresetTable]:
        """``--guide_preset`` of unpaired and of paired data."""
        from guidegan_plugin.hosts.junyanz.presets import tables

        return tables()


def _model_asked_for(arguments: Sequence[str]) -> str | None:
    """What the host will read as ``--model``, which its parser also takes by any beginning of that name, or None."""
    found: str | None = None
    for abbreviated in (False, True):
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=abbreviated)
        parser.add_argument("--model", nargs="?", const="")
        found = found or parser.parse_known_args(list(arguments))[0].model
    return found


def _is_short_for(option: str, argument: str) -> bool:
    """Whether an argument is an option, or a beginning of it long enough to mean no other of the family's."""
    return len(argument) > len("--c") and option.startswith(argument)
