"""Options of train.py."""

from __future__ import annotations

import argparse

from .base_options import BaseOptions


class TrainOptions(BaseOptions):
    """The shared options and those of training."""

    isTrain = True

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        """Add the options of training."""
        parser = super().initialize(parser)
        add = parser.add_argument
        add("--display_freq", type=int, default=400, help="images between two looks at the visuals")
        add("--update_html_freq", type=int, default=1000, help="images between two updates of the page")
        add("--print_freq", type=int, default=100, help="images between two lines of losses")
        add("--no_html", action="store_true", help="write no page")

        add("--save_latest_freq", type=int, default=5000, help="images between two saves of 'latest'")
        add("--save_epoch_freq", type=int, default=5, help="epochs between two saves under the epoch's number")
        add("--save_by_iter", action="store_true", help="save iter_<n> where 'latest' would be saved")
        add("--continue_train", action="store_true", help="start from the checkpoint named by --epoch")
        add("--epoch_count", type=int, default=1, help="number of the first epoch")
        add("--phase", default="train", help="train, val, test: which part of the data")

        add("--n_epochs", type=int, default=100, help="epochs at the first learning rate")
        add("--n_epochs_decay", type=int, default=100, help="epochs in which it falls to zero")
        add("--beta1", type=float, default=0.5, help="Adam's first momentum")
        add("--lr", type=float, default=0.0002, help="first learning rate")
        add("--gan_mode", default="lsgan", help="lsgan or vanilla")
        add("--pool_size", type=int, default=50, help="fakes kept for the discriminator")
        add("--lr_policy", default="linear", help="linear, step, plateau or cosine")
        add("--lr_decay_iters", type=int, default=50, help="epochs between two drops with --lr_policy step")
        return parser
