"""The ``guidegan`` command: one module for each group of commands; a command imports what it needs when called."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from guidegan_plugin.cli import hosts
from guidegan_plugin.cli.data import data
from guidegan_plugin.cli.doctor import doctor
from guidegan_plugin.cli.evaluate import evaluate
from guidegan_plugin.cli.gallery import gallery
from guidegan_plugin.cli.options import options
from guidegan_plugin.cli.plugins import plugins
from guidegan_plugin.cli.predict_maps import predict_maps
from guidegan_plugin.cli.replay import replay
from guidegan_plugin.cli.report import grid, report
from guidegan_plugin.errors import GuideError
from guidegan_plugin.hosts.excepthook import in_one_line
from guidegan_plugin.utils.packages import version_of
from guidegan_plugin.utils.streams import open_streams

TRAIN, RESULTS, HELP = "Train and test", "Data and results", "What is there"

_DEBUG = "guidegan --debug before the command's name shows where"
_CURES: dict[int | None, str] = {
    errno.ENOSPC: "free space there, or name another place",
    errno.EFBIG: "let files be larger (ulimit -f), or name another place",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions, or name another place"),
}

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="GuideGAN for any conditional GAN: attention maps of the discriminator guide the generator.",
    epilog="Exit codes: 0 done, 1 refused or failed (one line on standard error says why), 2 wrong usage, 130 Ctrl-C.",
)
app.command(rich_help_panel=TRAIN, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(
    hosts.run
)
app.command(rich_help_panel=TRAIN)(hosts.install)
app.command(rich_help_panel=TRAIN)(hosts.uninstall)
app.command(rich_help_panel=TRAIN)(predict_maps)
app.command(rich_help_panel=TRAIN)(hosts.bake)
app.add_typer(data, name="data", rich_help_panel=RESULTS)
app.add_typer(evaluate, name="evaluate", rich_help_panel=RESULTS)
app.command(rich_help_panel=RESULTS)(report)
app.command(rich_help_panel=RESULTS)(grid)
app.command(rich_help_panel=RESULTS)(replay)
app.command(rich_help_panel=RESULTS)(gallery)
app.command(rich_help_panel=HELP)(doctor)
app.command(rich_help_panel=HELP)(plugins)
app.command(rich_help_panel=HELP)(options)
app.command(rich_help_panel=HELP)(hosts.presets)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_of("guidegan_plugin"))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """What stands before a command's name; :func:`main` reads --debug itself, since errors end there."""


def main() -> None:
    """Run the command; what fails is one line on standard error and exit code 1, with ``--debug`` a traceback."""
    open_streams()
    if os.environ.get("COLUMNS") == "0":  # nobody knows; rich would take it for a width, and show nothing
        del os.environ["COLUMNS"]
    logging.basicConfig(level=logging.WARNING, format="guidegan: %(message)s")
    # What was done at the user's wish is said, too, such as the pieces of --guide_fast.
    logging.getLogger("guidegan_plugin").setLevel(logging.INFO)
    try:
        _refuse_no_folder()
        _call()
    except BrokenPipeError:  # who reads the output has gone away, as after "| head"
        sys.exit(1)
    except Exception as error:
        if sys.argv[1:2] == ["--debug"]:
            raise
        sys.exit(in_one_line(error if isinstance(error, GuideError) else GuideError(_unforeseen(error))))


def _refuse_no_folder() -> None:
    """Refuse a folder that somebody removed meanwhile: there some libraries end the process when they are imported."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise GuideError("the folder this was started in is gone; cd to one that is there") from error


def _call() -> None:
    try:
        app(prog_name="guidegan")
    except SystemExit:
        sys.stdout.flush()  # now: at the interpreter's end a full disk is noticed too late for an exit code
        raise


def _unforeseen(error: Exception) -> str:
    """A failure that nobody gave words to."""
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        unnamed = "the output: " if error.errno == errno.ENOSPC else ""
        place = unnamed if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror}; {_CURES.get(error.errno, _DEBUG)}"
    if isinstance(error, MemoryError):
        return "out of memory; ask for less: smaller images or numbers, fewer --workers"
    return f"{type(error).__name__}: {message}; this should not happen, {_DEBUG}"
