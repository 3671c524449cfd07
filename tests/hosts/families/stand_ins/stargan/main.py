"""A 150-line StarGAN of our own: one generator for all domains, its target a label; main makes a Solver and runs it."""

import argparse
from pathlib import Path

from data_loader import get_loader
from solver import Solver

FOLDERS = ("log_dir", "model_save_dir", "sample_dir", "result_dir")


def main(config):
    for folder in FOLDERS:
        Path(getattr(config, folder)).mkdir(parents=True, exist_ok=True)
    loaders = {
        name: get_loader(name, config) if config.dataset in (name, "Both") else None for name in ("CelebA", "RaFD")
    }
    solver = Solver(loaders, config)
    if config.mode == "train":
        solver.train_multi() if config.dataset == "Both" else solver.train()
    else:
        solver.test()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, value in {
        "c_dim": 5, "c2_dim": 8, "celeba_crop_size": 178, "rafd_crop_size": 256, "image_size": 128, "g_conv_dim": 64,
        "d_conv_dim": 64, "g_repeat_num": 6, "d_repeat_num": 6, "batch_size": 16, "num_iters": 8, "n_critic": 5,
        "resume_iters": 0, "test_iters": 4, "num_workers": 1, "log_step": 10, "sample_step": 1000,
        "model_save_step": 1000,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dataset", default="CelebA", choices=["CelebA", "RaFD", "Both"])
    parser.add_argument("--mode", default="train", choices=["train", "test"])
    parser.add_argument("--use_tensorboard", default="False")
    parser.add_argument("--celeba_image_dir", default="data/celeba/images")
    parser.add_argument("--attr_path", default="data/celeba/list_attr_celeba.txt")
    parser.add_argument("--rafd_image_dir", default="data/RaFD/train")
    for folder in FOLDERS:
        parser.add_argument(f"--{folder}", default=f"stargan/{folder.partition('_')[0]}s")
    main(parser.parse_args())
