"""The ``guidegan`` command."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.hosts.one_line import in_one_line

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="The discriminator tells the generator where it looks: GuideGAN for any conditional GAN.",
)
data = typer.Typer(no_args_is_help=True, help="Make or prepare data sets.")
app.add_typer(data, name="data")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    script: Annotated[Path, typer.Argument(help="The host's own train.py or test.py.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS...", help="Its arguments.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be attached where, and stop.")] = False,
) -> None:
    """Run a host's script with --model guide_<x> within its reach; no file of the host changes."""
    from guidegan_plugin.hosts.launcher import run as launch

    launch(script, arguments or [], dry_run)


@app.command()
def install(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Add files to a host, so that its plain python train.py knows --model guide_<x>; no file that is there changes."""
    from guidegan_plugin.hosts.installer import install as add

    _list(add(host_dir))


@app.command()
def uninstall(host_dir: Annotated[Path, typer.Argument(help="The host's folder.")]) -> None:
    """Remove from a host what install, or the patch, added to it."""
    from guidegan_plugin.hosts.installer import uninstall as remove

    _list(outcomes := remove(host_dir))
    if not outcomes:
        typer.echo(f"nothing of ours in {host_dir}")


def _list(outcomes: list[tuple[str, str]]) -> None:
    for outcome, path in outcomes:
        typer.echo(f"{outcome:<14} {path}{' (not ours)' if outcome == 'left alone' else ''}")


@app.command()
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


@app.command()
def plugins() -> None:
    """List every plugin with its version, its distribution and the hooks it implements."""
    from guidegan_plugin.plugins.manager import create_manager

    manager = create_manager()
    distributions = dict(manager.list_plugin_distinfo())
    table = Table("plugin", "version", "distribution", "hooks")
    for name, plugin in manager.list_name_plugin():
        distribution = distributions.get(plugin)
        title = distribution.project_name if distribution is not None else "guidegan_plugin"
        hooks = [caller.name.removeprefix("guidegan_") for caller in manager.get_hookcallers(plugin) or []]
        table.add_row(name, importlib.metadata.version(title), title, ", ".join(sorted(hooks)))
    Console().print(table)


@app.command()
def presets() -> None:
    """Show the settings of --guide_preset beside the defaults of the junyanz family."""
    from guidegan_plugin.hosts.junyanz.presets import FAMILY_DEFAULTS, SOURCES, values_by_option

    for paired, model in ((False, "cycle_gan"), (True, "pix2pix")):
        paper = Column("paper", min_width=len("cityscapes_unpaired"))
        table = Table("option", f"{model}'s own", paper, "where it stands", title=f"for guide_{model}")
        for option, values in values_by_option(paired).items():
            table.add_row(f"--{option}", str(FAMILY_DEFAULTS[option][paired]), "\n".join(values), SOURCES[option])
        Console().print(table)


@data.command()
def shapes(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[
        str, typer.Option(help="unpaired: plain to striped objects; paired: labels to streets.")
    ] = "unpaired",
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 128,
    count: Annotated[int, typer.Option(help="Training images a domain.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same images.")] = 0,
) -> None:
    """Make a small data set on the spot, with the object's region beside each image."""
    from guidegan_plugin.datasets.shapes import write_unpaired
    from guidegan_plugin.datasets.street import write_paired

    writers = {"unpaired": write_unpaired, "paired": write_paired}
    if kind not in writers:
        raise ConfigError(f"kind: expected {' or '.join(writers)}, found {kind!r}; change --kind")
    writers[kind](out, size, count, seed=seed)


def main() -> None:
    """Run the command; what we refuse is one line on standard error and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="guidegan: %(message)s")
    try:
        app()
    except GuideError as error:
        sys.exit(in_one_line(error))
