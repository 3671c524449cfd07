"""Every attention mechanism with every concatenation, transfer block, model and loss, through the reference host.

`make test` runs combinations in which every two of these meet, `make full` all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from covering import covering
from PIL import Image
from torch import Tensor

from guidegan_plugin.guidance.memory.store_file import load_stores

ATTENTIONS = {
    "activation": ["--guide_attention", "pha"],
    "gradient": ["--guide_signal", "gradient"],
    "gradcam": ["--guide_signal", "gradcam"],
    "tam": ["--guide_attention", "tam"],
}
pytestmark = pytest.mark.slow
COMBINATIONS = list(
    itertools.product(
        ATTENTIONS, ("rhp", "alpha"), ("bilinear", "conv"), ("cycle_gan", "pix2pix"), ("lsgan", "vanilla")
    )
)
COMBINATIONS += itertools.product(ATTENTIONS, ("gradient",), ("bilinear",), ("cycle_gan", "pix2pix"), ("lsgan",))
Read = Callable[[Path], dict[str, dict[str, Tensor]]]


@pytest.mark.parametrize(("attention", "concat", "transfer", "model", "loss"), covering(COMBINATIONS))
def test_it_trains_saves_resumes_and_tests(
    run_host: Callable[..., None],
    small: Callable[[str, Path], list[str]],
    one_epoch: list[str],
    request: pytest.FixtureRequest,
    read_weights: Read,
    attention: str,
    concat: str,
    transfer: str,
    model: str,
    loss: str,
) -> None:
    dataroot = request.getfixturevalue("paired" if model == "pix2pix" else "unpaired")
    tiny = "--netG resnet_6blocks --load_size 36 --crop_size 32 --max_dataset_size 2"
    options = [*small(f"guide_{model}", dataroot), *tiny.split(), *ATTENTIONS[attention]]
    options += ["--guide_concat", concat, "--guide_transfer", transfer]
    pairs = ["A"] if model == "pix2pix" else ["A", "B"]
    checkpoints = Path("checkpoints") / "run"
    for visits in (1, 2):
        run_host("train.py", *options, *one_epoch, "--gan_mode", loss, *["--continue_train"] * (visits - 1))
        states, _ = load_stores(checkpoints / "latest_guide.safetensors")
        assert [int(states[pair]["visits"].sum()) for pair in pairs] == [2 * visits] * len(pairs)
    for state in states.values():
        maps = next(tensor for name, tensor in state.items() if name.startswith("maps.")).float()
        assert maps.std((1, 2, 3)).min() > 0, "no map is the placeholder"
    weights = read_weights(checkpoints)
    assert all(tensor.isfinite().all() for network in weights.values() for tensor in network.values())
    own = {name.removeprefix("latest_net_").removesuffix(".pth") for name in weights}
    expected = {"T"} if transfer == "conv" else set()
    expected |= {f"M_{pair}" for pair in pairs} if attention == "tam" else set()
    assert own - {"G", "D", "G_A", "G_B", "D_A", "D_B"} == expected
    run_host("test.py", *options, "--guide_show", "--num_test", 1)
    shown = Path("results") / "run" / "test_latest" / "images" / "0_attention_A.png"
    assert np.asarray(Image.open(shown)).std() > 0
