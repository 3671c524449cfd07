"""A whole model in DataParallel: what a device is given is a copy, and several devices have copies of the networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from guidegan_plugin.guidance.memory.store_file import load_stores

SCRIPT = Path(__file__).parent / "stand_ins" / "whole_model.py"
PAIR = ["--guide_pairs", "model.G:model.D:label"]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_image: Callable[..., None], guidegan: Callable[..., Any]
) -> Callable[..., Any]:
    """Run the script as with some GPUs: DataParallel copies what it is called with, part by part."""
    for index in range(4):
        noise_image(tmp_path / "data" / f"{index}.png", (16, 16), index)
    monkeypatch.chdir(tmp_path)
    shutil.copy(SCRIPT, tmp_path)

    def call(devices: int, *options: str) -> Any:
        def scatter(self: Any, inputs: Any, kwargs: Any, device_ids: Any) -> Any:
            parts = zip(*(tuple(part.clone() for part in given.chunk(devices)) for given in inputs), strict=True)
            return tuple(parts), tuple({} for _ in range(devices))

        def forward(self: Any, *inputs: Any) -> Any:
            given, _ = self.scatter(inputs, {}, list(range(devices)))
            return self.module(*given[0])

        monkeypatch.setattr(nn.DataParallel, "scatter", scatter)
        monkeypatch.setattr(nn.DataParallel, "forward", forward)
        return guidegan("run", *PAIR, "whole_model.py", *options)

    return call


def test_a_copy_on_the_one_device_shows_the_batch(run: Callable[..., Any]) -> None:
    assert run(1, "--guide_strict") == 0
    states, _ = load_stores(Path("G_guide.safetensors"))
    assert states["model_G"]["visits"].tolist() == [1] * 4


def test_copies_of_guided_networks_on_several_devices_are_refused(run: Callable[..., Any]) -> None:
    refused = str(run(2))
    assert "are parts of Model, which DataParallel copies onto 2 devices" in refused and "one device" in refused
    assert run(2, "--guide_attention", "none") == 0
