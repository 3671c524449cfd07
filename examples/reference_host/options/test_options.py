"""Options of test.py."""

from __future__ import annotations

import argparse

from .base_options import BaseOptions


class TestOptions(BaseOptions):
    """The shared options and those of testing."""

    __test__ = False  # not a test case, whatever its name says
    isTrain = False

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        """Add the options of testing, and do without random crops."""
        parser = super().initialize(parser)
        add = parser.add_argument
        add("--results_dir", default="./results/", help="where results are kept")
        add("--aspect_ratio", type=float, default=1.0, help="width over height of the results")
        add("--phase", default="test", help="train, val, test: which part of the data")
        add("--eval", action="store_true", help="put batch norm and dropout into eval mode")
        add("--num_test", type=int, default=50, help="how many images")
        parser.set_defaults(model="test", load_size=parser.get_default("crop_size"))
        return parser
