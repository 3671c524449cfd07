"""PyTorch-GAN: a folder for each system, with a script that holds the networks in variables."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.guide_arguments import argument
from guidegan_plugin.hosts.scripts.script_host import ScriptHost, defined
from guidegan_plugin.hosts.scripts.target_label import LabelledKey
from guidegan_plugin.plugins.check import Check, failed
from guidegan_plugin.utils.python_files import parse_python


@dataclass(frozen=True)
class Script:
    """A script of the collection.

    Attributes:
        networks: What it calls them.
        pairs: Which belong together.
        defaults: Of ``--guide_*``.
    """

    networks: tuple[str, ...]
    pairs: tuple[Pair, ...]
    defaults: Mapping[str, object] = field(default_factory=dict)


_TWO_DOMAINS = Script(("G_AB", "G_BA", "D_A", "D_B"), (Pair("G_AB", "D_B", "A"), Pair("G_BA", "D_A", "B")))


def _staged(encoder: str, decoder: str, **defaults: object) -> Script:
    """Encoders and decoders of two domains, 1 and 2, whose images are A and B of the batch."""
    pairs = (
        Pair(f"{encoder}1..{decoder}2", "D2", "A", name="A"),
        Pair(f"{encoder}2..{decoder}1", "D1", "B", name="B"),
    )
    return Script(tuple(f"{name}{number}" for name in (encoder, decoder, "D") for number in (1, 2)), pairs, defaults)


SCRIPTS: Mapping[str, Script] = {
    "cyclegan.py": _TWO_DOMAINS,
    "discogan.py": _TWO_DOMAINS,
    "dualgan.py": _TWO_DOMAINS,
    # What it translates from is the batch's B.
    "pix2pix.py": Script(("generator", "discriminator"), (Pair("generator", "discriminator", "B", name="A"),)),
    "unit.py": _staged("E", "G"),
    # An image is read by the encoder of its content and by that of its style.
    "munit.py": _staged("Enc", "Dec", guide_alpha_widen="content_encoder.model.1,style_encoder.model.1"),
    # G.forward joins the target's label, or noise, behind the image.
    "stargan.py": Script(
        ("generator", "discriminator"),
        (Pair("generator", "discriminator", "", name="A", key_of=LabelledKey()),),
        {"guide_alpha_image_channels": 3},
    ),
    "bicyclegan.py": Script(
        ("generator", "encoder", "D_VAE", "D_LR"),
        (Pair("generator", "D_VAE+D_LR", "A", name="A"),),
        {"guide_alpha_image_channels": 3},
    ),
}


class PytorchGanHost(ScriptHost):
    """eriklindernoren/PyTorch-GAN: a folder ``implementations/NAME`` whose script ``NAME.py`` translates images."""

    name: ClassVar[str] = "pytorch_gan"
    looks_for: ClassVar[str] = f"one of {', '.join(SCRIPTS)} with a dataloader and networks of those names"
    scripts: tuple[str, ...] = tuple(SCRIPTS)
    checkpoints: ClassVar[str] = "saved_models"

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(root)
        self.scripts, self._script = (name,), SCRIPTS[name]
        self.modes = f"{name}, also with --epoch N; the script has no test"

    @classmethod
    def recognise(cls, root: Path) -> PytorchGanHost | None:
        """An adapter for a folder of one of the systems.

        Raises:
            HostError: If its script is not Python.
        """
        for name, script in SCRIPTS.items():
            if {*script.networks, "dataloader"} <= defined(root / name):
                return cls(root, name)
        return None

    def script_arguments(self, arguments: Sequence[str]) -> list[str]:
        """As the base.

        Raises:
            HostError: If the script cannot run as it comes.
        """
        _refuse_undefined(self.root / "models.py")
        return super().script_arguments(arguments)

    def run_folder(self, arguments: Sequence[str]) -> Path:
        """Where a script writes its checkpoints: in a folder for each data set."""
        return Path(self.checkpoints) / argument("--dataset_name", arguments)

    def pairs_to_guide(self) -> tuple[Pair, ...]:
        """Those of ``--guide_pairs``, else the script's."""
        return super().pairs_to_guide() or self._script.pairs

    def default_options(self, arguments: Sequence[str]) -> Mapping[str, object]:
        """The script's."""
        return self._script.defaults

    def checks(self) -> Sequence[Check]:
        """As the base, and whether the script can run as it comes."""
        try:
            _refuse_undefined(self.root / "models.py")
        except HostError as error:
            return [*super().checks(), failed("host's models.py", error)]
        return super().checks()


def _refuse_undefined(models: Path) -> None:
    """Refuse a ``models.py`` that takes a number of channels from a variable that is not there (bicyclegan's does).

    Raises:
        HostError: If it does.
    """
    name = "in_channels"
    nodes = list(ast.walk(parse_python(models))) if models.is_file() else []
    used = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    bound = [node for node in used if not isinstance(node.ctx, ast.Load)]
    if used and not bound and not any(isinstance(node, ast.arg) and node.arg == name for node in nodes):
        raise HostError(
            f"{models} uses {name} in line {used[0].lineno}, which nothing there defines, so the script itself fails "
            f"(NameError); write channels in its place, in line {used[0].lineno}"
        )
