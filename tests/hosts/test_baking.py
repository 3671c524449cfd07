"""Baked checkpoints in the bare host against guided ones at guided test time."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from guidegan_plugin import cli
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError, GuideError, StoreError
from guidegan_plugin.guidance.calls.generator import PlaceholderBlend
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard
from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.hosts.junyanz.baking import bake

Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]
CHECKPOINTS = Path("checkpoints")
GUIDED = CHECKPOINTS / "run"


@pytest.fixture
def dataroot(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    return lambda model: request.getfixturevalue("paired" if "pix2pix" in model else "unpaired")


def fakes(folder: Path) -> dict[str, np.ndarray]:
    """Translated images of a results folder, by the number and the side of each."""
    paths = (folder / "test_latest" / "images").glob("*_fake*.png")
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in sorted(paths)}


def difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> int:
    """Largest difference in gray levels."""
    assert list(one) == list(other) and len(one) >= 3
    return max(int(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("model", "concat", "flags"),
    [
        ("cycle_gan", "rhp", []),
        ("cycle_gan", "alpha", []),
        ("cycle_gan", "alpha", ["--norm", "batch"]),
        ("pix2pix", "rhp", []),
    ],
)
def test_the_bare_host_computes_what_guided_test_time_does(
    run_host: Run,
    small: Small,
    one_epoch: list[str],
    dataroot: Any,
    model: str,
    concat: str,
    flags: list[str],
) -> None:
    options = [*small(f"guide_{model}", dataroot(model)), "--guide_concat", concat, *flags]
    run_host("train.py", *options, *one_epoch, "--lr", "0.02")
    written = bake(GUIDED, CHECKPOINTS / "baked")
    assert [path.name for path in written] == sorted(path.name for path in GUIDED.glob("latest_net_G*.pth"))
    for mode in ([], ["--eval"]):
        run_host("test.py", *options, *mode)
        expected = fakes(Path("results") / "run")
        bare = [*small(model, dataroot(model)), *flags, *mode]
        run_host("test.py", *bare, "--name", "baked")
        assert difference(fakes(Path("results") / "baked"), expected) <= 1
    if model == "pix2pix":
        run_host("test.py", *bare)
        assert difference(fakes(Path("results") / "run"), expected) > 3, "unbaked, batch norm sees half the input"
    else:
        single = [*small("guide_test", dataroot(model) / "testA"), *flags, "--no_dropout", "--model_suffix", "_A"]
        run_host("test.py", *single, "--guide_concat", concat)
        run_host("test.py", *single, "--name", "baked", "--model", "test")
        assert difference(fakes(Path("results") / "baked"), fakes(Path("results") / "run")) <= 1


@pytest.fixture
def generator(networks: ModuleType) -> Callable[..., nn.Module]:
    """A generator as if trained: no weight is small, no statistic at its start."""

    def make(netG: str, norm: str, channels: int = 3, concat: str = "rhp") -> nn.Module:
        made: nn.Module = networks.init_net(networks.define_G(channels, 3, 4, netG, norm), init_gain=0.1)
        if concat == "alpha":
            AlphaChannel().adapt(made)
        for name, value in made.state_dict().items():
            if value.is_floating_point() and ("bias" in name or "running" in name or value.shape[1:2] == (4,)):
                value.copy_(torch.rand(value.shape) * 0.2 + 0.1)
        return made

    return make


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("netG", ["resnet_6blocks", "unet_128"])
def test_a_generator_is_baked_where_that_is_exact(
    networks: ModuleType, generator: Any, tmp_path: Path, netG: str, norm: str, channels: int, concat: str
) -> None:
    guided = generator(netG, norm, channels, concat)
    torch.save(guided.state_dict(), tmp_path / "5_net_G.pth")
    save_stores(tmp_path / "5_guide.safetensors", {}, {"config": f'{{"concat": "{concat}", "transfer": "bilinear"}}'})
    if concat == "alpha" and (netG == "unet_128" or norm == "none"):
        with pytest.raises(ConfigError, match="pads with zeros" if netG == "unet_128" else "no bias and no batch"):
            bake(tmp_path / "5_net_G.pth", tmp_path / "baked.pth", channels=channels)
        assert not (tmp_path / "baked.pth").exists()
        return
    assert bake(tmp_path / "5_net_G.pth", tmp_path / "baked.pth", channels=channels) == [tmp_path / "baked.pth"]
    bare = networks.define_G(channels, 3, 4, netG, norm)
    keys = list(bare.state_dict())
    weights = torch.load(tmp_path / "baked.pth", weights_only=True)
    assert list(weights) == keys
    bare.load_state_dict(weights)
    side = 128 if netG == "unet_128" else 32
    images = torch.rand(2, channels, side, side) * 2 - 1
    blend = PlaceholderBlend(AlphaChannel() if concat == "alpha" else ResidualHadamard(), BilinearTransfer())
    with torch.no_grad():
        for training in (False, True):
            expected = guided.train(training)(blend.blend(images, placeholder(images)))
            found = bare.train(training)(images)
            assert (found - expected).abs().max() <= (1e-5 if concat == "alpha" else 0)
        if norm == "instance" and netG == "resnet_6blocks":  # which would hide a wrong bias
            expected = guided.model[:2](blend.blend(images, placeholder(images)))
            assert (bare.model[:2](images) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.fixture
def checkpoint(generator: Any, tmp_path: Path) -> Callable[..., Path]:
    """A checkpoint and, where there are facts, its store."""

    def save(
        netG: str = "resnet_6blocks", facts: str = "", concat: str = "rhp", name: str = "latest_net_G.pth"
    ) -> Path:
        torch.save(generator(netG, "instance", concat=concat).state_dict(), tmp_path / name)
        if facts:
            save_stores(tmp_path / "latest_guide.safetensors", {}, {"config": facts})
        return tmp_path / name

    return save


def refused(kind: type[GuideError], *arguments: Any, **named: Any) -> str:
    with pytest.raises(kind) as caught:
        bake(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_baking_twice_is_refused_also_after_the_file_was_renamed(checkpoint: Any, tmp_path: Path) -> None:
    bake(checkpoint(), tmp_path / "once.pth", "rhp")
    (tmp_path / "once.pth").rename(tmp_path / "renamed.pth")
    message = refused(StoreError, tmp_path / "renamed.pth", tmp_path / "twice.pth", "rhp")
    assert message.startswith("renamed.pth is baked already") and message.endswith("change CKPT")


def test_nothing_is_overwritten_and_a_failing_disk_leaves_nothing(
    checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkpoint()
    before = source.read_bytes()
    assert "exists already and nothing is overwritten; change --out" in refused(StoreError, source, source, "rhp")
    assert "change --out" in refused(StoreError, tmp_path, tmp_path, "rhp")
    (tmp_path / "file").touch()
    assert "could not be written" in refused(StoreError, source, tmp_path / "file" / "x.pth", "rhp")

    def fail(*_: object) -> None:
        Path(str(_[1])).write_text("half")
        raise RuntimeError("[enforce fail at x.cc:471] . \n unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", fail)
    for place, out in ((source, "out.pth"), (tmp_path, "out")):
        assert "unexpected pos 64 vs 0); free space or change --out" in refused(
            StoreError, place, tmp_path / out, "rhp"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "latest_net_G.pth"]
    assert source.read_bytes() == before


def test_how_it_was_guided_comes_from_the_store_or_the_user(checkpoint: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    message = refused(StoreError, checkpoint(), out)
    assert re.search("no store .*latest_guide.safetensors says .*; add --concat rhp or --concat alpha", message)
    assert "concat=half (--concat) cannot be baked" in refused(ConfigError, checkpoint(), out, "half")
    facts = '{"concat": "half", "transfer": "bilinear"}'
    assert "concat=half (--concat) cannot be baked" in refused(ConfigError, checkpoint(facts=facts), out)
    facts = '{"concat": "rhp", "transfer": "conv"}'
    assert "transfer=conv (latest_guide.safetensors) cannot be baked" in refused(
        ConfigError, checkpoint(facts=facts), out
    )
    facts = '{"concat": "rhp", "transfer": "bilinear"}'
    assert "says concat=rhp, not alpha; leave out --concat" in refused(
        ConfigError, checkpoint(facts=facts), out, "alpha"
    )
    (tmp_path / "latest_guide.safetensors").write_bytes(b"torn")
    assert "is torn or not a store" in refused(StoreError, checkpoint(), out, "rhp")


def test_a_map_that_differs_from_place_to_place_or_image_to_image_is_refused_with_the_reason(
    checkpoint: Any, tmp_path: Path
) -> None:
    out, source = tmp_path / "out.pth", checkpoint()
    message = refused(ConfigError, source, out, "rhp", test_map="predict")
    assert "test_map=predict cannot be baked, the map is another one for each image; test it with" in message
    message = refused(ConfigError, source, out, "rhp", test_map="mean")
    assert "with concat=rhp the map gives the input another factor at each place, and weights and bias of" in message
    message = refused(ConfigError, source, out, "alpha", test_map="mean")
    assert "with concat=alpha the map adds another constant at each place" in message
    assert "expected one of ones, mean, predict, found 'median'; change --test-map" in refused(
        ConfigError, source, out, "rhp", test_map="median"
    )
    told = checkpoint(facts='{"concat": "rhp", "transfer": "bilinear", "test_map": "mean"}')
    assert "test_map=mean cannot be baked" in refused(ConfigError, told, out)
    assert bake(told, out, test_map="ones") == [out]


def test_a_width_that_the_concatenation_cannot_have_made_is_refused(checkpoint: Any, tmp_path: Path) -> None:
    message = refused(ConfigError, checkpoint(), tmp_path / "out.pth", "alpha")
    assert message == (
        "latest_net_G.pth takes 3 channels, expected 4 (concat=alpha, images of 3); "
        "change --channels (what the host calls --input_nc) or --concat"
    )
    assert "takes 3 channels, expected 1" in refused(ConfigError, checkpoint(), tmp_path / "out.pth", "rhp", channels=1)


def test_what_is_no_generators_checkpoint_is_refused_by_what_it_is(
    networks: ModuleType, checkpoint: Any, tmp_path: Path
) -> None:
    path, out = tmp_path / "latest_net_G.pth", tmp_path / "out.pth"
    assert "does not exist; change CKPT" in refused(StoreError, path, out, "rhp")
    assert "holds no 7_net_G*.pth; change CKPT or --epoch" in refused(StoreError, tmp_path, out, "rhp", epoch="7")
    for netD, key in (("basic", "model.0.weight (4, 3, 4, 4)"), ("pixel", "net.0.weight (4, 3, 1, 1)")):
        torch.save(networks.define_D(3, 4, netD).state_dict(), path)
        assert f"it begins with {key}, as a PatchGAN discriminator does" in refused(StoreError, path, out, "rhp")
    torch.save(nn.Linear(2, 2).state_dict(), path)
    assert "it begins with weight (2, 2); change CKPT" in refused(StoreError, path, out, "rhp")
    for content in (torch.rand(3), {}, {"net": {"model.1.weight": torch.rand(3)}}):
        torch.save(content, path)
        assert "is not the weights of one network" in refused(StoreError, path, out, "rhp")
    for torn in (b"", b"text", checkpoint().read_bytes()[:900]):
        path.write_bytes(torn)
        assert "is torn or not a checkpoint" in refused(StoreError, path, out, "rhp")
    torch.save(GuideConfig(), path)  # unpickling would run code
    assert "is torn or not a checkpoint (UnpicklingError)" in refused(StoreError, path, out, "rhp")


def test_the_command_says_what_it_wrote_and_refuses_in_one_line(
    checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def guidegan(*arguments: object) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["guidegan", "bake", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    checkpoint("unet_128", concat="alpha", name="1_net_G_A.pth")
    checkpoint(name="2_net_G_A.pth")
    assert guidegan(tmp_path, "-o", tmp_path / "new" / "out", "--epoch", 2, "--concat", "rhp") == 0
    assert capsys.readouterr().out.strip() == f"baked {tmp_path / 'new' / 'out' / '2_net_G_A.pth'}"
    message = str(guidegan(tmp_path / "1_net_G_A.pth", "-o", tmp_path / "out.pth", "--concat", "alpha"))
    assert message == (
        "guidegan: error: 1_net_G_A.pth: concat=alpha cannot be baked into a U-Net, whose first convolution "
        "(model.model.0) pads with zeros: the channel of ones ends at the border; "
        "test it with --model guide_<x> instead"
    )


@pytest.mark.parametrize("epoch", ["/etc", "**", "["])
def test_an_epoch_is_a_name_and_no_pattern(tmp_path: Path, epoch: str) -> None:
    with pytest.raises(StoreError, match="change CKPT or --epoch"):
        bake(tmp_path, tmp_path / "out", "rhp", epoch=epoch)
