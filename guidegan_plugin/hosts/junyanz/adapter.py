"""pytorch-CycleGAN-and-pix2pix (junyanz), its forks, and codebases in its contract, both generations."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.import_hook import VirtualModules
from guidegan_plugin.plugins.host import Host

_FILES = ("models/__init__.py", "models/base_model.py", "models/networks.py", "data/__init__.py", "options")


class JunyanzHost(Host):
    """A codebase in the family's contract.

    Attributes:
        root: The folder with ``models``, ``data`` and ``options``.
        generation: ``"classic"`` where ``define_G`` initialises and wraps the networks (it takes ``gpu_ids``);
            ``"ddp"`` where ``setup()`` does.
    """

    name: ClassVar[str] = "junyanz"
    looks_for: ClassVar[str] = ", ".join(_FILES)

    def __init__(self, root: Path, generation: str) -> None:
        self.root, self.generation = root, generation

    @classmethod
    def recognise(cls, root: Path) -> JunyanzHost | None:
        """An adapter if the folder holds the family's packages and a ``define_G``.

        Raises:
            HostError: If its ``networks.py`` is not Python.
        """
        if not all((root / name).exists() for name in _FILES):
            return None
        for node in _parsed(root / "models/networks.py").body:
            if isinstance(node, ast.FunctionDef) and node.name == "define_G":
                return cls(root, "classic" if "gpu_ids" in [argument.arg for argument in node.args.args] else "ddp")
        return None

    @classmethod
    def running(cls) -> JunyanzHost:
        """The host whose packages this process has imported.

        Raises:
            HostError: If there is none.
        """
        module = sys.modules.get("models")
        root = Path(str(module.__file__)).resolve().parent.parent if module is not None else Path.cwd()
        host = cls.recognise(root)
        if host is None:
            raise HostError(f"{root} is not of the {cls.name} family: it lacks one of {cls.looks_for}")
        return host

    @property
    def description(self) -> str:
        """The family, its generation and the folder."""
        return f"{self.name} family, {self.generation} generation, in {self.root}"

    def model_names(self) -> list[str]:
        """Names for ``--model``, without ``guide_``."""
        files = (self.root / "models").glob("*_model.py")
        names = sorted(file.name.removesuffix("_model.py") for file in files)
        return [name for name in names if name not in ("base", "template") and not name.startswith("guide_")]

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


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())  # bytes, because a file may declare its encoding
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        reason = f"{error.msg}{where}"
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise HostError(f"{path} cannot be read as Python ({reason}); repair it, the host cannot import it either")


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
