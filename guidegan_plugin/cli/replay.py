"""``guidegan replay``: a training's log on a Visdom server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guidegan_plugin.cli.console import Quiet


def replay(
    file: Annotated[Path, typer.Argument(help="The log that --guide_visdom_offline wrote.")],
    server: Annotated[str, typer.Option(help="Address of the Visdom server, without the port.")] = "http://127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the Visdom server.")] = 8097,
    env: Annotated[
        str | None, typer.Option(help="Visdom environment to show the log in; by default the run's.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Show the Visdom log of a training on a server."""
    from guidegan_plugin.monitors.visdom.replay import replay as show

    sent = show(file, server, port, env)
    if not quiet:
        typer.echo(f"sent {sent} updates to {server}:{port}")
