"""Result files made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def _write(path: Path, content: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def kid_result() -> Callable[..., Path]:
    def write(path: Path, target: float, mean: float | None = None, **labels: str) -> Path:
        features = labels.pop("features", "inception")
        title = "KID" if features == "inception" else f"KID (features: {features})"
        side = {"kid_x100": target, "std_x100": 0.5}
        content = {"metric": "kid", "features": features, "title": title, "target": side, "source": None, "fid": None}
        content["mean"] = None if mean is None else {"kid_x100": mean, "std_x100": 0.25}
        content |= {"images": {"fake": 9, "target": 9, "source": 0}, "subsets": 100, "subset_size": 9, "seed": 0}
        weights = labels.pop("weights_sha256", "6726825d")
        return _write(path, {**content, "resize": "tf1", "weights_sha256": weights, "labels": labels, "versions": {}})

    return write


@pytest.fixture
def fcn_result() -> Callable[..., Path]:
    def write(path: Path, pixel: float, per_class: float, iou: float, **labels: str) -> Path:
        scores = {"per_pixel_accuracy": pixel, "per_class_accuracy": per_class, "class_iou": iou}
        return _write(path, {"metric": "fcn", **scores, "classes": {}, "labels": labels, "versions": {}})

    return write
