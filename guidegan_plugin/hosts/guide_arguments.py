"""Options of the guidance among the arguments of scripts that do not read them, and hosts of such scripts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from guidegan_plugin.attaching.mechanism_options import add_guide_options, fields_without_effect
from guidegan_plugin.hosts.scratch import link_files
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.listeners import add_monitor_options
from guidegan_plugin.plugins.manager import collect, create_manager
from guidegan_plugin.utils.options import PREFIX

PAIRS = f"{PREFIX}pairs"
_WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors")


def split_arguments(
    arguments: Sequence[str], defaults: Mapping[str, object] | None = None
) -> tuple[dict[str, object], list[str]]:
    """Take the ``--guide_*`` out of a script's arguments.

    Args:
        arguments: The script's and ours.
        defaults: Of options, where a codebase has other ones, by their names.

    Returns:
        Every option of the guidance by its name, and the script's own arguments.
    """
    parser = argparse.ArgumentParser(prog="guidegan run", add_help=False, allow_abbrev=False)
    manager = create_manager()
    add_guide_options(manager, parser)
    add_monitor_options(manager, parser, is_train=True)
    parser.add_argument(f"--{PAIRS}", default="", help="networks of a script, generator:discriminator:source")
    parser.set_defaults(**(defaults or {}))
    options, own = parser.parse_known_args(list(arguments))
    return vars(options), own


def argument(option: str, arguments: Sequence[str], default: str = "") -> str:
    """What an option of a script says.

    Args:
        option: With its dashes; "" where the script has none.
        arguments: The script's.
        default: Where the option is not among them.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    if option:
        parser.add_argument(option, dest="value", default=default)
    return str(getattr(parser.parse_known_args(list(arguments))[0], "value", default))


def _with_effect(options: Mapping[str, object], chosen: Mapping[str, object]) -> dict[str, object]:
    """Options without those of mechanisms that were not chosen, of which a user would hear that they do nothing."""
    manager, kinds = create_manager(), {"attention": "attention", "concat": "concatenation", "transfer": "transfer"}
    idle = [
        f"{PREFIX}{name}_"
        for option, kind in kinds.items()
        for name in collect(manager, kind)
        if name != chosen[f"{PREFIX}{option}"]
    ]
    unread = [f"{PREFIX}{field}" for field in fields_without_effect(manager, str(chosen[f"{PREFIX}attention"]))]
    return {name: value for name, value in options.items() if not name.startswith(tuple(idle)) and name not in unread}


class ForeignParserHost(Host):
    """A codebase whose scripts do not read ``--guide_*``: the options are taken out of their arguments.

    Attributes:
        weights_in: Where checkpoints lie in the folder that the scripts are told: patterns that end with a slash, or ""
            for the folder itself.
    """

    weights_in: ClassVar[tuple[str, ...]] = ("", "*/")

    def __init__(self, root: Path) -> None:
        self.root = root
        self._options: Mapping[str, object] = {}
        self._run = Path(self.checkpoints)
        self._dry = False

    def default_options(self, arguments: Sequence[str]) -> Mapping[str, object]:
        """Defaults of ``--guide_*``, where the codebase needs other ones.

        Args:
            arguments: A script's, which may say which networks there will be.
        """
        return {}

    def script_arguments(self, arguments: Sequence[str]) -> list[str]:
        """Those that are not ``--guide_*``."""
        typed, own = split_arguments(arguments)
        if defaults := _with_effect(self.default_options(arguments), typed):
            typed, own = split_arguments(arguments, defaults)
        self._run = self.run_folder(own)
        self._options = {"name": self._run.name or self.root.name, **typed}
        return own

    def run_folder(self, arguments: Sequence[str]) -> Path:
        """Where a script writes its checkpoints: as ``checkpoints_option`` among its arguments says, or by default."""
        return Path(argument(self.checkpoints_option, arguments, self.checkpoints))

    def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
        """Train one step and describe what was seen. Where an option names the folder of checkpoints, that is scratch.

        What a test, or a training that goes on, loads from the folder is found in scratch, too.
        """
        own = self.script_arguments(arguments)
        self._dry = True
        if not self.checkpoints_option:
            return own
        link_files(self._run, [f"{folder}*{ending}" for folder in self.weights_in for ending in _WEIGHTS], scratch)
        return [*own, self.checkpoints_option, str(scratch)]
