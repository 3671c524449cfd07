"""``guidegan evaluate``: scores of translated images."""

from __future__ import annotations

import typer

from guidegan_plugin.cli import evaluate_attention, evaluate_fcn, evaluate_kid

evaluate = typer.Typer(no_args_is_help=True, help="Score translated images, and where the discriminator looks.")
evaluate.command()(evaluate_kid.kid)
evaluate.command()(evaluate_fcn.fcn)
evaluate.command()(evaluate_attention.attention)
evaluate.command()(evaluate_attention.classes)
evaluate.command()(evaluate_attention.class_attention)
