"""AGGAN in the reference host: its own phases, and its guidance."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from guidegan_plugin.guidance.memory.store_file import load_stores

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"
RUN = Path("checkpoints") / "run"
# The attention networks are trained in the first of two epochs.
PHASES = ["--n_epochs", 2, "--n_epochs_decay", 0, "--attention_epochs", 1, "--save_epoch_freq", 1, "--print_freq", 1]


@pytest.fixture
def aggan(in_host: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """AGGAN's own networks, as a module of the host."""
    monkeypatch.syspath_prepend(str(REFERENCE_HOST))
    return importlib.import_module("models.aggan_networks")


@pytest.fixture
def train(run_host: Run, small: Small, unpaired: Path, read_weights: Read) -> Callable[..., object]:
    """Train two epochs in ``checkpoints/<name>``; the networks they left."""

    def call(*options: object, model: str = "guide_aggan", name: str = "run") -> dict[str, dict[str, Tensor]]:
        run_host("train.py", *small(model, unpaired), *PHASES, "--name", name, *options)
        return read_weights(Path("checkpoints") / name)

    return call


def test_a_translation_is_laid_over_its_input_where_the_mask_is(aggan: ModuleType) -> None:
    translated, image, mask = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)
    laid = aggan.Overlay()(translated, mask, image)
    expected = mask.numpy() * translated.numpy() + (1 - mask.numpy()) * image.numpy()
    assert torch.allclose(laid, torch.from_numpy(expected), atol=1e-6)
    assert torch.equal(aggan.Overlay()(translated, torch.zeros(2, 1, 8, 8), image), image)


def test_a_mask_has_the_size_of_its_image_and_lies_between_zero_and_one(aggan: ModuleType) -> None:
    mask = aggan.AttentionNetwork(3, 4, torch.nn.InstanceNorm2d)(torch.randn(2, 3, 32, 24))
    assert mask.shape == (2, 1, 32, 24) and mask.min() >= 0 and mask.max() <= 1


def test_a_discriminator_with_a_mask_sees_the_pixels_above_the_threshold_alone(
    aggan: ModuleType, networks: ModuleType
) -> None:
    judge = aggan.ForegroundDiscriminator(3, 4, 3, torch.nn.InstanceNorm2d, threshold=0.5)
    plain = networks.define_D(3, 4, "basic", norm="instance")
    plain.load_state_dict(judge.state_dict())
    images, mask = torch.randn(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    assert torch.equal(judge(images), plain(images))
    assert torch.equal(judge(images, mask), plain(torch.where(mask > 0.5, images, 0)))


def test_attention_networks_are_trained_in_the_first_phase_and_stay_in_the_second(
    train: Callable[..., dict[str, dict[str, Tensor]]],
) -> None:
    train(model="aggan")

    def same(network: str) -> bool:
        first, second = (torch.load(RUN / f"{epoch}_net_{network}.pth", weights_only=True) for epoch in (1, 2))
        return all(torch.equal(first[key], second[key]) for key in first)

    assert all(same(f"Att_{side}") for side in "AB") and not any(same(f"{net}_{side}") for net in "GD" for side in "AB")
    train("--continue_train", "--epoch_count", 2, model="aggan")
    assert all(same(f"Att_{side}") for side in "AB"), "a resumed training is in the phase of its epoch"
    train("--attention_epochs", 2, model="aggan")
    assert not any(same(f"Att_{side}") for side in "AB")


def test_without_attention_it_is_bit_equal_to_the_bare_model(
    train: Callable[..., dict[str, dict[str, Tensor]]],
) -> None:
    bare, ours = train(model="aggan", name="bare"), train("--guide_attention", "none")
    assert list(bare) == list(ours) and len(bare) == 6
    for file in bare:
        assert list(bare[file]) == list(ours[file])
        assert all(torch.equal(bare[file][key], ours[file][key]) for key in bare[file]), file


@pytest.mark.slow_but_first
@pytest.mark.parametrize("options", [[], ["--guide_concat", "alpha"], ["--guide_attention", "tam"]])
def test_both_phases_are_guided_resumed_and_tested(
    train: Callable[..., dict[str, dict[str, Tensor]]], run_host: Run, small: Small, unpaired: Path, options: list[str]
) -> None:
    weights = train("--guide_strict", *options)
    states, _ = load_stores(RUN / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [2, 2, 2] and states["B"]["visits"].sum() == 6, "B is drawn at random"
    assert all(states[side]["maps.3x3"].float().std() > 0 for side in "AB")
    first = next(weight for weight in weights["latest_net_G_A.pth"].values() if weight.dim() == 4)
    assert first.shape[1] == (4 if "alpha" in options else 3)
    train("--guide_strict", *options, "--continue_train", "--epoch_count", 2)
    assert load_stores(RUN / "latest_guide.safetensors")[0]["A"]["visits"].tolist() == [3, 3, 3]
    run_host("test.py", *small("guide_aggan", unpaired), *options, "--guide_show", "--guide_refine", 1)
    names = {path.name for path in (Path("results") / "run" / "test_latest" / "images").iterdir()}
    assert {"0_attention_A.png", "0_attention_B.png", "0_fake_B.png", "0_mask_A.png"} <= names


def test_the_translation_reads_the_blended_image_and_the_mask_and_the_background_the_image_itself(
    train: Callable[..., dict[str, dict[str, Tensor]]], aggan: ModuleType, networks: ModuleType, unpaired: Path
) -> None:
    """The stored map equals formula (2) recomputed on s' of equation (1), in a step at a learning rate of zero."""
    options = ["--lr", 0, "--no_flip", "--load_size", 32, "--max_dataset_size", 1, "--guide_store_dtype", "float32"]
    weights = train(*options, "--n_epochs", 1, "--attention_epochs", 0)
    generator, judge = (
        networks.define_G(3, 3, 4, "resnet_6blocks", "instance"),
        networks.define_D(3, 4, "basic", norm="instance"),
    )
    attention = aggan.AttentionNetwork(3, 4, torch.nn.InstanceNorm2d)
    for network, name in ((generator, "G_A"), (judge, "D_A"), (attention, "Att_A")):
        network.load_state_dict(weights[f"latest_net_{name}.pth"])
    picture = Image.open(unpaired / "trainA" / "0.png").convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
    image = pil_to_tensor(picture)[None].float() / 127.5 - 1
    with torch.no_grad():
        mask = attention(image)
        laid = mask * generator(2 * image) + (1 - mask) * image  # the first visit blends ones: x' = 2 x
        activation = judge.model[:9](laid * (mask > 0.1)).abs().mean(1, keepdim=True)
    low, high = activation.amin(), activation.amax()
    stored = load_stores(RUN / "latest_guide.safetensors")[0]["A"]["maps.3x3"][:1]
    assert torch.allclose(stored, (activation - low) / (high - low), atol=1e-4)


def test_its_pairs_can_be_named_in_words(train: Callable[..., dict[str, dict[str, Tensor]]]) -> None:
    known = train(name="known")
    words = ",".join(
        f"generator=netG_{side}..overlay_{side} discriminator=netD_{side} source=real_{side} keys={side}_paths"
        for side in "AB"
    )
    named = train("--guide_pairs", words)
    assert all(torch.equal(known[file][key], named[file][key]) for file in known for key in known[file])
