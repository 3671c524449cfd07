"""What a host is: a codebase somebody else wrote, and everything we must or may know about that codebase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from guidegan_plugin.errors import HostError
from guidegan_plugin.plugins.check import Check
from guidegan_plugin.plugins.sources import Sources

if TYPE_CHECKING:
    from guidegan_plugin.plugins.preset_table import PresetTable
    from guidegan_plugin.plugins.sample import Run

Fact = tuple[str, str]  # a label, and what is so; without a label the fact above goes on


class DryRunFinished(SystemExit):
    """Ends a host's script after a dry run, with exit code 0, or 1 where the training would not be guided.

    Args:
        facts: What is attached where, and what was seen of it, in words.
        not_guided: Why a pair is not guided, and what helps; "" where all are.
    """

    def __init__(self, facts: Sequence[Fact], not_guided: str = "") -> None:
        # A text is what the interpreter writes on standard error before it ends with 1, where nobody catches this.
        super().__init__(f"guidegan: error: {not_guided}" if not_guided else 0)
        self.facts, self.not_guided = list(facts), not_guided


class NotGuided(HostError):
    """A dry run found a pair that is not guided.

    Args:
        cause: Why, and what helps.
        facts: What else the dry run found.
    """

    def __init__(self, cause: str, facts: Sequence[Fact]) -> None:
        super().__init__(cause)
        self.facts = list(facts)


def as_text(facts: Sequence[Fact]) -> str:
    """Facts in two columns, a line each, without a newline at the end."""
    return "\n".join(f"{label:<14} {text}".rstrip() for label, text in facts)


# Runs a host's own script as "guidegan run" does, for whoever starts a script plainly.
_STARTER = '''\
"""Added by guidegan_plugin: runs {script} guided; "guidegan uninstall HOST_DIR" removes it."""

import sys
from pathlib import Path

from guidegan_plugin.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", str(Path(__file__).with_name("{script}"))]
    main()
'''


class Host(ABC):
    """A codebase somebody else wrote. A subclass declares what is special about the codebase; the rest has a default.

    Launcher, installer, doctor, gallery and the other commands know no codebase: they ask the registered hosts.

    Attributes:
        name: Name of the family of codebases.
        looks_for: What makes a folder one of the family, in words for an error message.
        scripts: The codebase's own scripts, relative to its root.
        checkpoints: Folder in the codebase where trainings write; "" where they write where they are started.
        checkpoints_option: Option of the scripts that names another folder; "" where there is none.
        datasets: Folder in the codebase where images lie; "" where there is none.
        pairs_option: Option that says which networks belong together, for a model whose pairs are not known.
        results: What a result's file name has after its image's, such as ``_fake_B``: a regular expression; "" where
            an image has but one result.
        cpu_option: What a user types for a run without a GPU; "" where the scripts find out by themselves, None where
            they ask for a GPU whatever is typed.
        good_ends: Texts that the scripts give to ``sys.exit`` when they have done their work.
        run_holds: What makes a folder a run of the family, a training's or a test's: patterns as for ``Path.glob``.
        root: The codebase's folder.
    """

    name: ClassVar[str]
    looks_for: ClassVar[str]
    scripts: tuple[str, ...] = ("train.py", "test.py")
    checkpoints: ClassVar[str] = ""
    checkpoints_option: ClassVar[str] = ""
    datasets: ClassVar[str] = ""
    pairs_option: ClassVar[str] = "--guide_pairs"
    results: ClassVar[str] = ""
    good_ends: ClassVar[tuple[str, ...]] = ()
    run_holds: ClassVar[tuple[str, ...]] = ()
    cpu_option: str | None = None
    root: Path

    @classmethod
    @abstractmethod
    def recognise(cls, root: Path) -> Host | None:
        """An adapter for the codebase in a folder, None if it is not one of the family.

        Raises:
            HostError: If it is one, and its files cannot be read.
        """

    @property
    def description(self) -> str:
        """The family, its generation if there are several, and the folder, in words."""
        return f"{self.name}, in {self.root}"

    def models(self) -> Mapping[str, bool]:
        """What can be guided, by the names a user asks for, and whether its pairs of networks are known.

        By default one model with the family's name.
        """
        return {self.name: True}

    # Running a script

    @abstractmethod
    def guided(self) -> AbstractContextManager[None]:
        """While it lasts, the codebase's scripts train and test guided models; no file changes."""

    def script_arguments(self, arguments: Sequence[str]) -> list[str]:
        """What a script is given of the arguments typed behind it: all, where the codebase reads ``--guide_*`` itself.

        Raises:
            GuideError: If the arguments ask for what cannot be.
        """
        return list(arguments)

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """A script's arguments, changed so that it describes its guidance and stops, leaving files only in scratch.

        The script ends with :class:`DryRunFinished` then.

        Raises:
            HostError: If the arguments ask for no guided model, or the host has no dry run.
        """
        raise HostError(f"the host {self.name} has no dry run; leave out --dry-run")

    # Files added to a codebase, for those who start its scripts plainly

    def files_to_add(self) -> Mapping[str, str]:
        """What each file holds that the installer adds, by its path in the codebase; texts end with a newline.

        By default a script ``guide_<script>`` beside each of the codebase's own, which does as the launcher.
        """
        return {f"guide_{name}": content for name, content in self._starters().items() if (self.root / name).is_file()}

    def files_to_remove(self) -> Mapping[str, str]:
        """Files there are in the codebase that bear names of ours, and what each holds if it is ours."""
        starters = {f"guide_{name}": content for name, content in self._starters().items()}
        return {name: content for name, content in starters.items() if (self.root / name).is_file()}

    def _starters(self) -> dict[str, str]:
        """By the script they run; scripts in subfolders have none, because a name would not be enough."""
        return {name: _STARTER.format(script=name) for name in self.scripts if "/" not in name}

    @classmethod
    def patch_files(cls) -> Mapping[str, str]:
        """As :meth:`files_to_add`, for the codebase as its authors published it: what ``make patches`` writes."""
        return {}

    # What a user asks of the doctor, and of what a run left

    def checks(self) -> Sequence[Check]:
        """What else may stand between a user of this codebase and a guided training; torch can be imported."""
        return ()

    def check_declarations(self) -> Sequence[Check]:
        """Whether what a host declares of the codebase is so, where that can be told from its files."""
        return ()

    @classmethod
    def is_run(cls, folder: Path) -> bool:
        """Whether a folder holds what a training or a test of the family left."""
        return any(next(folder.glob(pattern), None) is not None for pattern in cls.run_holds)

    @classmethod
    def read_run(cls, run: Path) -> Run:
        """What a training or a test left to be shown; by default what the training remembers, without its images.

        Args:
            run: A folder that :meth:`is_run` knows.

        Raises:
            StoreError: If a store is torn or foreign.
        """
        from guidegan_plugin.plugins.stored_run import read_stores  # lazily, because it imports torch

        return read_stores(run)

    @classmethod
    def sources(cls, run: Path, root: Path | None = None) -> Sources:
        """Where the source images of a training lie; by default keys are relative to where a command is typed.

        Args:
            run: The folder of a training's stores.
            root: Where the user says they lie; None where nobody said it.
        """
        return Sources([Path() if root is None else root])

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
        """Write a checkpoint with which the bare host computes what guided test time does, whole or not at all.

        Args:
            checkpoint: A generator's file, or a folder of checkpoints.
            out: A new file, or a new folder.
            concat: How the generator was guided, where no store says it.
            channels: Of the images the generator reads.
            epoch: Which checkpoint of a folder.
            test_map: The map that a guided test gives the generator; None for what the training was told, mostly ones.

        Returns:
            The files written.

        Raises:
            HostError: If the family's checkpoints cannot be baked.
            ConfigError: If baking would not be exact, or an argument cannot be.
            StoreError: If the checkpoint is missing, foreign or baked already, or the result cannot be written.
        """
        raise HostError(f"checkpoints of the host {cls.name} cannot be baked; test them guided, with guidegan run")

    @classmethod
    def presets(cls) -> Sequence[PresetTable]:
        """Settings of the paper as defaults of the codebase's options, a table a model."""
        return ()
