"""Commands that work on a host: run, install, uninstall, bake, presets."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from guidegan_plugin.cli.console import show_facts, show_table
from guidegan_plugin.errors import GuideError, HostError
from guidegan_plugin.plugins.host import NotGuided


def run(
    script: Annotated[Path, typer.Argument(help="The host's own script, such as train.py.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS...", help="The script's arguments.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train one step on real data, print what is attached and seen, and stop.")
    ] = False,
    pairs: Annotated[
        str, typer.Option("--guide_pairs", help="Networks of a script of your own, such as G_AB:D_B:A,G_BA:D_A:B.")
    ] = "",
    legacy: Annotated[
        bool,
        typer.Option("--legacy", help="Let calls work that modern packages have dropped, and .cuda() without a GPU."),
    ] = False,
) -> None:
    """Run a host's script with guidance; no file of the host changes."""
    from guidegan_plugin.hosts import launcher

    given = [*(["--guide_pairs", pairs] if pairs else []), *(arguments or [])]
    if dry_run:
        try:
            show_facts(launcher.dry_run(script, given, legacy))
        except NotGuided as error:
            show_facts(error.facts)
            raise
        return
    try:
        launcher.run(script, given, legacy)
    except GuideError:
        raise
    except Exception as error:
        # The host's own failure looks as under plain python: its author needs the traceback.
        traceback.print_exc()
        cure = launcher.cure(script, given, error, legacy)
        if cure is not None:
            raise HostError(cure) from None
        raise typer.Exit(1) from None


def install(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Add files to a host, for guided trainings without this command; no existing file changes."""
    from guidegan_plugin.hosts.installer import install as add

    _list(add(host_dir))


def uninstall(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Remove the files that install, or the patch, added to a host."""
    from guidegan_plugin.hosts.installer import uninstall as remove

    _list(outcomes := remove(host_dir))
    if not outcomes:
        typer.echo(f"nothing of ours in {host_dir}")


def _list(outcomes: list[tuple[str, str]]) -> None:
    for outcome, path in outcomes:
        typer.echo(f"{outcome:<14} {path}{' (not ours)' if outcome == 'left alone' else ''}")


def bake(
    ckpt: Annotated[Path, typer.Argument(help="The file of a guided generator, or a folder of checkpoints.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new file, or a new folder.")],
    concat: Annotated[str | None, typer.Option(help="rhp or alpha; needed if no store lies beside CKPT.")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the images that the generator reads.")] = 3,
    epoch: Annotated[str, typer.Option(help="Which epoch in a folder of checkpoints.")] = "latest",
    test_map: Annotated[
        str | None, typer.Option(help="What --guide_test_map of the test is; ones is what can be baked.")
    ] = None,
) -> None:
    """Make a plain checkpoint: with these weights the bare host makes the images of a guided test."""
    from guidegan_plugin.plugins.find_host import host_of_run, registered_hosts

    hosts = registered_hosts()
    # A file that lies apart from its run tells nothing of its host; it is taken for one of the first that can bake.
    can_bake = [one for one in hosts if "bake" in vars(one)]
    host = host_of_run(ckpt if ckpt.is_dir() else ckpt.parent, hosts) or can_bake[0]
    more = {} if test_map is None else {"test_map": test_map}  # a host of an older plugin does not know it
    for path in host.bake(ckpt, out, concat, channels, epoch, **more):
        typer.echo(f"baked {path}")


def presets() -> None:
    """Show the settings of --guide_preset beside a host's own defaults."""
    from guidegan_plugin.plugins.find_host import registered_hosts

    for shown in [table for host in registered_hosts() for table in host.presets()]:
        words = " ".join(value for row in shown.rows for value in row.values).split()
        paper = Column(shown.whose, min_width=max(map(len, words), default=0))  # no name is torn
        table = Table("option", f"{shown.model}'s own", paper, "where it stands", title=shown.title)
        for row in shown.rows:
            table.add_row(row.option, row.default, "\n".join(row.values), row.source)
        show_table(table)
