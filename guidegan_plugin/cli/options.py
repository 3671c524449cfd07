"""``guidegan options``."""

from __future__ import annotations

import argparse

import typer


def options() -> None:
    """List the --guide_* options of a guided training with their defaults, those of installed plugins among them."""
    from guidegan_plugin.attaching.mechanism_options import add_guide_options
    from guidegan_plugin.plugins.listeners import add_monitor_options
    from guidegan_plugin.plugins.manager import create_manager

    parser = argparse.ArgumentParser(
        add_help=False, usage=argparse.SUPPRESS, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    manager = create_manager()
    add_guide_options(manager, parser)
    add_monitor_options(manager, parser, is_train=True)
    typer.echo(parser.format_help().strip())
    typer.echo("\nForks of pytorch-CycleGAN-and-pix2pix have more, such as --guide_show: docs/options.md")
