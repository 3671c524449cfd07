"""One generator of any model, for translating images in one direction."""

from __future__ import annotations

import argparse
from typing import Any

from . import networks
from .base_model import BaseModel


class TestModel(BaseModel):
    """Loads `<epoch>_net_G<model_suffix>.pth`; needs the same netG, norm and dropout options as training.

    Args:
        opt: Options.

    Raises:
        ValueError: It is to be trained.
    """

    __test__ = False  # not a test case, whatever its name says

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool = True) -> argparse.ArgumentParser:
        """Choose images of one domain; add the suffix of the generator."""
        if is_train:
            raise ValueError("--model test cannot be trained; run test.py")
        parser.set_defaults(dataset_mode="single")
        parser.add_argument("--model_suffix", default="", help="_A or _B loads the generator G_A or G_B")
        return parser

    def __init__(self, opt: argparse.Namespace) -> None:
        super().__init__(opt)
        self.visual_names = ["real", "fake"]
        self.model_names = [f"G{opt.model_suffix}"]
        self.netG = networks.define_G(
            opt.input_nc, opt.output_nc, opt.ngf, opt.netG, opt.norm, not opt.no_dropout, opt.init_type, opt.init_gain
        )
        # `setup` looks networks up under the names in `model_names`.
        setattr(self, f"netG{opt.model_suffix}", self.netG)

    def set_input(self, input: dict[str, Any]) -> None:
        """Take a batch: A, (N, C, H, W), in [-1, 1], and its paths."""
        self.real = input["A"].to(self.device)
        self.image_paths = input["A_paths"]

    def forward(self) -> None:
        """Translate."""
        self.fake = getattr(self, f"netG{self.opt.model_suffix}")(self.real)

    def optimize_parameters(self) -> None:
        """Do nothing: there is nothing to train."""
