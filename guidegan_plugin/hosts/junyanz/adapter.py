"""The adapter for pytorch-CycleGAN-and-pix2pix (junyanz), its forks, and codebases in its contract."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.codebase import FAMILY, FILES, Codebase
from guidegan_plugin.hosts.junyanz.import_hook import VirtualModules
from guidegan_plugin.plugins.host import Host


class JunyanzHost(Host):
    """A codebase in the family's contract.

    Args:
        codebase: What was read of the folder.
    """

    name: ClassVar[str] = FAMILY
    looks_for: ClassVar[str] = ", ".join(FILES)

    def __init__(self, codebase: Codebase) -> None:
        self.root, self.codebase = codebase.root, codebase

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

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """Ask the guided model to describe itself; checkpoints go to scratch and none are loaded."""
        model = _model_asked_for(arguments)
        if not model.startswith("guide_"):
            raise HostError(
                f"--model {model} is not guided; change it to --model guide_{re.sub('^guide_?', '', model)}"
            )
        kept = [argument for argument in arguments if not _is_short_for("--continue_train", argument)]
        return [*kept, "--guide_dry_run", "--checkpoints_dir", str(scratch)]


def _model_asked_for(arguments: Sequence[str]) -> str:
    """What the host will read as ``--model``, which its parser also takes by any beginning of that name."""
    found: str | None = None
    for abbreviated in (False, True):
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=abbreviated)
        parser.add_argument("--model", nargs="?", const="")
        found = found or parser.parse_known_args(list(arguments))[0].model
    return found or "cycle_gan"


def _is_short_for(option: str, argument: str) -> bool:
    """Whether an argument is an option, or a beginning of it long enough to mean no other of the family's."""
    return len(argument) > len("--c") and option.startswith(argument)
