"""Options of the guidance among the arguments of a script that does not know them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from guidegan_plugin.attaching.mechanism_options import add_guide_options
from guidegan_plugin.plugins.listeners import add_monitor_options
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.utils.options import PREFIX

PAIRS = f"{PREFIX}pairs"


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
