"""GAN and cGAN of the paper's table 5: ``--guide_unconditional`` and ``--lambda_L1 0`` with pix2pix."""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor

from guidegan_plugin.errors import HostError, StoreError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.junyanz.unconditional import output_alone

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
Read = Callable[[Path], dict[str, dict[str, Tensor]]]
ALONE, NO_L1, BARE = "--guide_unconditional", ["--lambda_L1", 0], ["--guide_attention", "none"]
RUN = Path("checkpoints") / "run"


def first_of(weights: dict[str, Tensor]) -> Tensor:
    """The weight of a network's first convolution, ``(out, in, h, w)``."""
    return next(weight for weight in weights.values() if weight.dim() == 4)


@pytest.fixture
def train(run_host: Run, small: Small, one_epoch: list[str], paired: Path, read_weights: Read) -> Callable[..., object]:
    """Train guide_pix2pix for an epoch in ``checkpoints/<name>``; the networks it left."""

    def call(*options: object, model: str = "guide_pix2pix", name: str = "run") -> dict[str, dict[str, Tensor]]:
        run_host("train.py", *small(model, paired), *one_epoch, "--name", name, *options)
        return read_weights(Path("checkpoints") / name)

    return call


@pytest.mark.parametrize("loss", [[], NO_L1], ids=["L1", "no L1"])
def test_without_guidance_it_is_bit_equal_to_a_host_that_gives_its_discriminator_the_output(
    train: Callable[..., dict[str, dict[str, Tensor]]], loss: list[object]
) -> None:
    own = train("--unconditional", *loss, model="pix2pix", name="own")
    ours = train(ALONE, *BARE, *loss)
    assert list(own) == list(ours) == ["latest_net_D.pth", "latest_net_G.pth"]
    for file in own:
        assert list(own[file]) == list(ours[file])
        assert all(torch.equal(own[file][key], ours[file][key]) for key in own[file])
    assert first_of(ours["latest_net_D.pth"]).shape[1] == 3, "a plain checkpoint: the channels of the output"


def test_without_l1_a_conditional_gan_is_the_hosts_own_bit_for_bit(
    train: Callable[..., dict[str, dict[str, Tensor]]],
) -> None:
    own, ours = train(*NO_L1, model="pix2pix", name="own"), train(*NO_L1, *BARE)
    assert all(torch.equal(own[file][key], ours[file][key]) for file in own for key in own[file])
    assert first_of(ours["latest_net_D.pth"]).shape[1] == 6


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    "options", [[], ["--guide_concat", "alpha"], ["--guide_attention", "tam"], ["--guide_signal", "gradient"]]
)
def test_gans_are_guided_resumed_and_tested(
    train: Callable[..., dict[str, dict[str, Tensor]]],
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    paired: Path,
    options: list[str],
) -> None:
    weights = train(ALONE, *NO_L1, "--guide_strict", *options)
    assert first_of(weights["latest_net_D.pth"]).shape[1] == 3
    train(ALONE, *NO_L1, "--guide_strict", *options, "--continue_train")
    states, _ = load_stores(RUN / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [2, 2, 2] and states["A"]["maps.15x15"].float().std() > 0
    run_host("test.py", *small("guide_pix2pix", paired), *options, "--guide_show", "--guide_refine", 1)
    assert (Path("results") / "run" / "test_latest" / "images" / "0_attention_A.png").is_file()


def test_the_stored_map_is_the_mean_activation_of_the_output_alone(
    train: Callable[..., dict[str, dict[str, Tensor]]],
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    paired: Path,
    networks: ModuleType,
) -> None:
    """Formula (2), recomputed on what G made of its only image in a step at a learning rate of zero."""
    options = [ALONE, *NO_L1, "--lr", 0, "--no_dropout", "--no_flip", "--load_size", 128, "--max_dataset_size", 1]
    weights = train(*options, "--norm", "instance", "--guide_store_dtype", "float32")
    generator = networks.define_G(3, 3, 4, "unet_128", "instance")
    discriminator = networks.define_D(3, 4, "basic", norm="instance")
    generator.load_state_dict(weights["latest_net_G.pth"])
    discriminator.load_state_dict(weights["latest_net_D.pth"])
    states, _ = load_stores(RUN / "latest_guide.safetensors")
    pair = Image.open(paired / "train" / "0.png").convert("RGB")
    half = pair.crop((0, 0, pair.width // 2, pair.height)).resize((128, 128), Image.Resampling.BICUBIC)
    image = pil_to_tensor(half)[None].float() / 127.5 - 1
    with torch.no_grad():  # the first visit blends ones: x' = 2 x
        activation = discriminator.model[:9](generator(2 * image)).abs().mean(1, keepdim=True)
    low, high = activation.amin(), activation.amax()
    assert torch.allclose(states["A"]["maps.15x15"][:1], (activation - low) / (high - low), atol=1e-4)


def test_a_copy_of_the_discriminator_judges_the_output_alone_too(
    monkeypatch: pytest.MonkeyPatch, make_discriminator: Callable[[int], nn.Module]
) -> None:
    host = ModuleType("models.networks")
    monkeypatch.setattr(host, "define_D", lambda input_nc, ndf: make_discriminator(input_nc), raising=False)
    monkeypatch.setitem(sys.modules, "models.networks", host)
    options = argparse.Namespace(guide_unconditional=True, input_nc=1, output_nc=2)
    with output_alone(options, "pix2pix"):
        network = host.define_D(input_nc=3, ndf=8)
    both, alone = copy.deepcopy(network), make_discriminator(2)
    alone.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(both(images), alone(images[:, 1:])), "the input, of one channel, is cut off"
    assert torch.equal(both(images[:, 1:]), alone(images[:, 1:])), "the output already"


def test_a_dry_run_sees_the_judgement_of_the_output_alone(
    run_host: Run, small: Small, paired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_host("train.py", *small("guide_pix2pix", paired), ALONE, dry_run=True)
    assert "bound 1, read 1, judged 1" in capsys.readouterr().out


def test_what_cannot_work_is_refused_in_one_line(
    train: Callable[..., dict[str, dict[str, Tensor]]], run_host: Run, small: Small, unpaired: Path
) -> None:
    with pytest.raises(HostError, match=r"^model cycle_gan gives no discriminator input and output.*unconditional$"):
        run_host("train.py", *small("guide_cycle_gan", unpaired), ALONE)
    with pytest.raises(HostError, match="leave out --guide_unconditional"):
        train(ALONE, "--unconditional")
    train(ALONE)
    with pytest.raises(StoreError, match=r"latest_net_D.pth was trained to judge the output alone; add --guide_unc"):
        train("--continue_train")
    train(name="both")
    with pytest.raises(StoreError, match=r"latest_net_D.pth was trained to judge input and output; leave out --guide"):
        train(ALONE, "--continue_train", name="both")
