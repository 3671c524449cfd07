"""The memories of all pairs of a training in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.utils.options import Value


def save_guides(path: Path, guides: Mapping[str, Guide], config: Mapping[str, Value]) -> None:
    """Write what the pairs of a training remember, whole or not at all.

    Args:
        path: File name, by convention ``<epoch>_guide.safetensors``.
        guides: By the pair's name.
        config: How the training is guided, by the options' names.

    Raises:
        StoreError: If the file cannot be written.
    """
    facts = {"config": json.dumps(dict(config))}
    for guide in guides.values():
        facts |= guide.facts()
    save_stores(path, {name: guide.store.state() for name, guide in guides.items()}, facts)
