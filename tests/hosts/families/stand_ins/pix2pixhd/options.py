"""Options of both scripts; those that a run does not need are passed over."""

from __future__ import annotations

import argparse

NUMBERS = {"label_nc": 35, "input_nc": 3, "fineSize": 32, "batchSize": 1, "nThreads": 0, "ngf": 8, "ndf": 8, "num_D": 2}
NUMBERS |= {"n_layers_D": 3, "niter": 1, "niter_decay": 1, "feat_num": 3, "n_local_enhancers": 1, "pool_size": 0}
FLAGS = ("no_instance", "instance_feat", "no_ganFeat_loss", "continue_train")
WORDS = {"name": "run", "dataroot": "data", "checkpoints_dir": "checkpoints", "results_dir": "results"}


def parse(phase: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name, number in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    for name, word in {**WORDS, "netG": "global", "which_epoch": "latest", "phase": phase}.items():
        parser.add_argument(f"--{name}", default=word)
    for name in FLAGS:
        parser.add_argument(f"--{name}", action="store_true")
    opt, _ = parser.parse_known_args()
    opt.isTrain = phase == "train"
    return opt
