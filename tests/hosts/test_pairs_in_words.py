"""``--guide_pairs`` in words: two stages that translate, and two discriminators that judge."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.launcher import run

Small = Callable[[str, Path], list[str]]
CHECKPOINTS = Path("checkpoints") / "run"
REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"
WORDS = "generator=netE:encode..netG discriminator=netD+netD2 source=real_A keys=A_paths name=A"
MODEL = """
import torch
from torch import nn

from . import networks
from .pix2pix_model import Pix2PixModel


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def encode(self, images):
        return self.conv(images)


class WordsModel(Pix2PixModel):
    def __init__(self, opt):
        super().__init__(opt)
        self.netE = Encoder()
        self.model_names.append("E")
        if self.isTrain:
            self.optimizer_G.add_param_group({"params": self.netE.parameters()})
            self.netD2 = networks.define_D(6, opt.ndf, opt.netD, opt.n_layers_D, opt.norm)
            self.optimizer_D2 = torch.optim.Adam(self.netD2.parameters())
            self.optimizers.append(self.optimizer_D2)
            self.model_names.append("D2")

    def forward(self):
        code = self.netE.encode(self.real_A)
        self.fake_B = self.netG(code + 0.1 * torch.ones_like(code))

    def backward_G(self):
        super().backward_G()
        self.netD2(torch.cat([self.real_A, self.netG(self.netE.encode(self.real_A))], 1)).mean().backward()
        self.optimizer_D2.step()
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    root = tmp_path / "host"
    shutil.copytree(REFERENCE_HOST, root)
    (root / "models" / "words_model.py").write_text(MODEL)
    return root


@pytest.mark.parametrize("options", [[], ["--guide_attention", "tam", "--guide_judges", "mean"]])
def test_a_model_in_stages_with_two_judges_is_guided(
    in_host: Callable[[], None], host: Path, small: Small, one_epoch: list[str], paired: Path, options: list[str]
) -> None:
    in_host()
    arguments = [*small("guide_pix2pix", paired), *one_epoch, "--model", "guide_words", "--guide_pairs", WORDS]
    run(host / "train.py", [*arguments, *options])
    states, _ = load_stores(CHECKPOINTS / "latest_guide.safetensors")
    assert set(states) == {"A"} and states["A"]["visits"].tolist() == [1, 1, 1]
    new = {path.stem.removeprefix("latest_net_") for path in CHECKPOINTS.glob("latest_net_M*.pth")}
    assert new == ({"M_A", "M2_A"} if options else set())
    assert set(torch.load(CHECKPOINTS / "latest_net_E.pth", weights_only=True)) == {"conv.weight", "conv.bias"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (WORDS.replace("netD2", "netD3"), r"no network netD3 \(it has netG.*discriminator=netD\+netD2"),
        (WORDS.replace("encode", "encod"), r"Encoder has no method 'encod' \(it has encode\)"),
        (WORDS.replace("keys", "key"), r"'key=A_paths' is none of generator=, discriminator="),
    ],
)
def test_words_that_do_not_fit_are_refused(
    in_host: Callable[[], None],
    host: Path,
    small: Small,
    one_epoch: list[str],
    paired: Path,
    words: str,
    found: str,
) -> None:
    in_host()
    with pytest.raises(GuideError, match=found):
        run(
            host / "train.py",
            [*small("guide_pix2pix", paired), *one_epoch, "--model", "guide_words", "--guide_pairs", words],
        )
