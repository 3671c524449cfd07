"""Commands that work on a host: run, install, uninstall, bake, presets."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from guidegan_plugin.cli.console import show_facts
from guidegan_plugin.errors import GuideError


def run(
    script: Annotated[Path, typer.Argument(help="The host's own train.py or test.py.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS...", help="Its arguments.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be attached where, and stop.")] = False,
) -> None:
    """Run a host's script with --model guide_<x> within its reach; no file of the host changes."""
    from guidegan_plugin.hosts import launcher

    if dry_run:
        show_facts(launcher.dry_run(script, arguments or []))
        return
    try:
        launcher.run(script, arguments or [])
    except GuideError:
        raise
    except Exception:
        # The host's own failure looks as under plain python: its author needs the traceback.
        traceback.print_exc()
        raise typer.Exit(1) from None


def install(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Add files to a host, so that its plain python train.py knows --model guide_<x>; no file that is there changes."""
    from guidegan_plugin.hosts.installer import install as add

    _list(add(host_dir))


def uninstall(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Remove from a host what install, or the patch, added to it."""
    from guidegan_plugin.hosts.installer import uninstall as remove

    _list(outcomes := remove(host_dir))
    if not outcomes:
        typer.echo(f"nothing of ours in {host_dir}")


def _list(outcomes: list[tuple[str, str]]) -> None:
    for outcome, path in outcomes:
        typer.echo(f"{outcome:<14} {path}{' (not ours)' if outcome == 'left alone' else ''}")


def bake(
    ckpt: Annotated[Path, typer.Argument(help="A guided generator's .pth, or its folder of checkpoints.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new file, or a new folder.")],
    concat: Annotated[str | None, typer.Option(help="rhp or alpha, where no store beside CKPT says it.")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Of the generator's images: the host's --input_nc.")] = 3,
    epoch: Annotated[str, typer.Option(help="Which checkpoint of a folder.")] = "latest",
) -> None:
    """Make a plain checkpoint with which the bare host computes what guided test time does."""
    from guidegan_plugin.hosts.junyanz.baking import bake as write_baked

    for path in write_baked(ckpt, out, concat, channels, epoch):
        typer.echo(f"baked {path}")


def presets() -> None:
    """Show the settings of --guide_preset beside the defaults of the junyanz family."""
    from guidegan_plugin.hosts.junyanz.presets import FAMILY_DEFAULTS, SOURCES, values_by_option

    for paired, model in ((False, "cycle_gan"), (True, "pix2pix")):
        paper = Column("paper", min_width=len("cityscapes_unpaired"))
        table = Table("option", f"{model}'s own", paper, "where it stands", title=f"for guide_{model}")
        for option, values in values_by_option(paired).items():
            table.add_row(f"--{option}", str(FAMILY_DEFAULTS[option][paired]), "\n".join(values), SOURCES[option])
        Console().print(table)
