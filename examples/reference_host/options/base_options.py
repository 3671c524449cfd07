"""Options that training and testing share."""

from __future__ import annotations

import argparse
from pathlib import Path

import data
import models
from util import util


class BaseOptions:
    """Reads the command line in three rounds, because a model and a data set may add options and change defaults."""

    isTrain: bool

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        """Add the shared options."""
        add = parser.add_argument
        add("--dataroot", required=True, help="folder of the images")
        add("--name", default="experiment_name", help="name of the run; its folder below checkpoints_dir")
        add("--checkpoints_dir", default="./checkpoints", help="where runs are kept")
        add("--seed", type=int, help="seed all random number generators, for a run that can be repeated")

        add("--model", default="cycle_gan", help="models/<model>_model.py: cycle_gan, pix2pix, aggan, test")
        add("--input_nc", type=int, default=3, help="channels of the input: 3 for colour, 1 for grey")
        add("--output_nc", type=int, default=3, help="channels of the output")
        add("--ngf", type=int, default=64, help="width of the generator's first layer")
        add("--ndf", type=int, default=64, help="width of the discriminator's first layer")
        add("--netD", default="basic", help="basic (70 x 70 PatchGAN), n_layers or pixel")
        add("--netG", default="resnet_9blocks", help="resnet_9blocks, resnet_6blocks, unet_256 or unet_128")
        add("--n_layers_D", type=int, default=3, help="depth of the discriminator with --netD n_layers")
        add("--norm", default="instance", help="instance, batch or none")
        add("--init_type", default="normal", help="normal, xavier, kaiming or orthogonal")
        add("--init_gain", type=float, default=0.02, help="scale of the initial weights")
        add("--no_dropout", action="store_true", help="no dropout in the generator")

        add("--dataset_mode", default="unaligned", help="data/<mode>_dataset.py: unaligned, aligned, single")
        add("--direction", default="AtoB", help="AtoB or BtoA")
        add("--serial_batches", action="store_true", help="take images in order instead of shuffled")
        add("--num_threads", type=int, default=4, help="worker processes that load images")
        add("--batch_size", type=int, default=1, help="images a step, for each process")
        add("--load_size", type=int, default=286, help="images are resized to this")
        add("--crop_size", type=int, default=256, help="and then cropped to this")
        add("--max_dataset_size", type=int, default=float("inf"), help="use no more images than this")
        add("--preprocess", default="resize_and_crop", help="resize_and_crop, crop, scale_width[_and_crop] or none")
        add("--no_flip", action="store_true", help="no random horizontal flips")
        add("--display_winsize", type=int, default=256, help="width of images on pages")

        add("--epoch", default="latest", help="which checkpoint to load")
        add("--load_iter", type=int, default=0, help="load iter_<load_iter> instead, when above 0")
        add("--verbose", action="store_true", help="print whole networks")
        add("--suffix", default="", help="appended to the name; may use options, as {model}_{netG}_{load_size}")
        return parser

    def gather_options(self) -> argparse.Namespace:
        """Parse for the model, let it add its options, parse for the data set, let it add its own, parse all."""
        parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        parser = self.initialize(parser)
        opt, _ = parser.parse_known_args()
        parser = models.get_option_setter(opt.model)(parser, self.isTrain)
        opt, _ = parser.parse_known_args()
        parser = data.get_option_setter(opt.dataset_mode)(parser, self.isTrain)
        self.parser = parser
        return parser.parse_args()

    def print_options(self, opt: argparse.Namespace) -> None:
        """Print all options with their defaults where they differ, and keep a copy beside the checkpoints."""
        lines = []
        for name, value in sorted(vars(opt).items()):
            default = self.parser.get_default(name)
            changed = default is not None and value != default
            lines.append(f"{name:>20}: {value}" + (f"    [default: {default}]" if changed else ""))
        text = "\n".join(lines)
        print(text, flush=True)
        folder = Path(opt.checkpoints_dir) / opt.name
        util.mkdirs(folder)
        (folder / f"{opt.phase}_opt.txt").write_text(text + "\n", encoding="utf-8")

    def parse(self) -> argparse.Namespace:
        """Read the command line, seed the generators if asked to, and return the options."""
        opt = self.gather_options()
        opt.isTrain = self.isTrain
        if opt.suffix:
            opt.name += "_" + opt.suffix.format(**vars(opt))
        if util.get_rank() == 0:
            self.print_options(opt)
        if opt.seed is not None:
            util.set_seed(opt.seed)
        return opt
