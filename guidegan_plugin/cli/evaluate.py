"""``guidegan evaluate``: scores of translated images."""

from __future__ import annotations

import typer

from guidegan_plugin.cli import evaluate_kid

evaluate = typer.Typer(no_args_is_help=True, help="Score translated images, and where the discriminator looks.")
evaluate.command()(evaluate_kid.kid)
