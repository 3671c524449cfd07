"""Reads a codebase of the family: where its files lie, which generation it is of, which models it has."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.errors import HostError
from guidegan_plugin.utils.python_files import parse_python

FAMILY = "junyanz"
FILES = ("models/__init__.py", "models/base_model.py", "models/networks.py", "data/__init__.py", "options")
"""What makes a folder one of the family."""

MODELS = ("colorization", "cycle_gan", "pix2pix", "test")
"""The models of pytorch-CycleGAN-and-pix2pix, as for ``--model``."""

DATASETS = ("unaligned", "aligned", "single")
"""The family's data sets that have a guided form, as for ``--dataset_mode``."""


@dataclass(frozen=True)
class Codebase:
    """A codebase of the family.

    Attributes:
        root: The folder with ``models``, ``data`` and ``options``.
        generation: ``"classic"`` where ``define_G`` initialises and wraps the networks (``define_G`` takes
            ``gpu_ids``); ``"ddp"`` where ``setup()`` does.
    """

    root: Path
    generation: str

    @classmethod
    def read(cls, root: Path) -> Codebase | None:
        """The codebase in a folder; None if the folder lacks the family's packages or a ``define_G``.

        Raises:
            HostError: If its ``networks.py`` is not Python.
        """
        if not all((root / name).exists() for name in FILES):
            return None
        for node in parse_python(root / "models/networks.py").body:
            if isinstance(node, ast.FunctionDef) and node.name == "define_G":
                return cls(root, "classic" if "gpu_ids" in [argument.arg for argument in node.args.args] else "ddp")
        return None

    @classmethod
    def running(cls) -> Codebase:
        """The codebase whose packages this process has imported.

        Raises:
            HostError: If there is none.
        """
        module = sys.modules.get("models")
        root = Path(str(module.__file__)).resolve().parent.parent if module is not None else Path.cwd()
        codebase = cls.read(root)
        if codebase is None:
            raise HostError(f"{root} is not of the {FAMILY} family: it lacks one of {', '.join(FILES)}")
        return codebase

    @property
    def may_drop_batches(self) -> bool:
        """Whether its loader may drop an epoch's last batch: PyTorch's loaders do only where they are told."""
        try:
            return b"drop_last" in (self.root / "data" / "__init__.py").read_bytes()
        except OSError:
            return True

    def model_names(self) -> list[str]:
        """Names for ``--model``, without ``guide_``."""
        files = (self.root / "models").glob("*_model.py")
        names = sorted(file.name.removesuffix("_model.py") for file in files)
        return [name for name in names if name not in ("base", "template") and not name.startswith("guide_")]

    def dataset_names(self) -> list[str]:
        """Names for ``--dataset_mode``, without ``guide_``, of those data sets that have a guided form."""
        return [name for name in DATASETS if (self.root / "data" / f"{name}_dataset.py").is_file()]
