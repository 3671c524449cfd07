"""What the family's models have, for the type checker; at run time the host's own class stands in its place.

Forks add arguments and results of their own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch


class HostModel:
    """The family's ``BaseModel``."""

    opt: argparse.Namespace
    isTrain: bool
    device: torch.device
    gpu_ids: list[int]
    save_dir: str | Path
    model_names: list[str]
    loss_names: list[str]
    visual_names: list[str]
    optimizers: list[torch.optim.Optimizer]
    schedulers: list[Any]
    refine_scores: dict[str, list[float]]

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> argparse.ArgumentParser:
        """Add the model's options."""
        return parser

    def __init__(self, opt: argparse.Namespace, *args: Any, **kwargs: Any) -> None: ...

    def setup(self, opt: argparse.Namespace, *args: Any, **kwargs: Any) -> Any:
        """Load networks, build schedulers."""

    def set_input(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """Take a batch."""

    def forward(self) -> None:
        """Compute the images of the batch."""

    def test(self, *args: Any, **kwargs: Any) -> Any:
        """Forward and visuals, without gradient."""

    def optimize_parameters(self, *args: Any, **kwargs: Any) -> Any:
        """Train one step."""

    def compute_visuals(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare images for the pages."""

    def update_learning_rate(self, *args: Any, **kwargs: Any) -> Any:
        """Step the schedulers, once an epoch."""

    def save_networks(self, epoch: int | str, *args: Any, **kwargs: Any) -> Any:
        """Write all networks."""
