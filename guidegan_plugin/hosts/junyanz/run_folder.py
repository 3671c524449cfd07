"""Reads what a run of the family left: a test's results, those of several tests, or a training's checkpoints."""

from __future__ import annotations

from pathlib import Path

from guidegan_plugin.hosts.junyanz.result_folder import read_epochs, read_images
from guidegan_plugin.hosts.junyanz.training_folder import read_memories, read_pages
from guidegan_plugin.plugins.sample import Run


def read_run(run: Path) -> Run:
    """What there is to be shown.

    Args:
        run: ``results/<name>/test_<epoch>``; ``results/<name>``, its tests over epochs; or ``checkpoints/<name>``, the
            memory over epochs and the host's own pages.

    Raises:
        StoreError: If a store is torn or foreign.
    """
    whole = run.absolute()
    if samples := read_images(run / "images", run):
        return Run(samples, title=f"{whole.parent.name}, {whole.name}")
    if samples := read_epochs(run):
        return Run(samples)
    memories = read_memories(run)
    return Run([*memories.samples, *read_pages(run)], memories.concat)
